"""Folders that one process at a time works in."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from ocp_dc.errors import UserError

INTERVAL = 0.2  # seconds between two tries


@contextlib.contextmanager
def only_one(folder: Path, what: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder, which is made if there is none; the lock goes with the process, however that ends.

    Args:
        folder: the folder.
        what: who else may hold it, for the message.
        patience: seconds to wait for a process that is about to end.

    Raises:
        UserError: another process holds it, or the folder is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made a folder ({error.strerror}); give another") from error
    with (folder / ".lock").open("w") as file:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise UserError(f"{folder}: {what} works here; wait for it, or stop it") from None
                time.sleep(INTERVAL)
        yield
