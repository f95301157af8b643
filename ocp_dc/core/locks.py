"""Folders that one process at a time works in."""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import logging
import os
import platform
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from ocp_dc.core.errors import UserError
from ocp_dc.core.write_errors import write_errors

NAME = ".lock"
INTERVAL = 0.2  # seconds between two tries
UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_held: set[int] = set()  # file descriptors


@contextlib.contextmanager
def only_one(folder: Path, what: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder, which is made if there is none; the lock goes with the process, however that ends.

    The file ``.lock`` says who held it last; that it is there means nothing. Processes that are forked meanwhile, such
    as loader workers, do not keep the lock.

    Args:
        folder: the folder.
        what: who else may hold it, for the message.
        patience: seconds to wait for a process that is about to end.

    Raises:
        UserError: another process holds it, the folder cannot be made, or its ``.lock`` is a link.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    handle = _open(folder / NAME)
    _held.add(handle)
    try:
        _lock(handle, folder, what, patience)
        _sign(handle)
        yield
    finally:
        _held.discard(handle)
        os.close(handle)


def _open(path: Path) -> int:
    flags = os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # not truncated: it may be another's
    try:
        try:
            handle = os.open(path, os.O_RDWR | flags, 0o666)
        except PermissionError:  # made by another user: reading is enough for a lock
            handle = os.open(path, (os.O_RDONLY | flags) & ~os.O_CREAT)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{path}: is a link, which a lock does not follow; remove it") from error
        with write_errors(path):
            raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UserError(f"{path}: is no plain file; remove it")
    return handle


def _lock(handle: int, folder: Path, what: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno in UNSUPPORTED:
                logging.warning(f"{folder}: its file system has no locks ({error.strerror}); let one process work here")
                return
            if not isinstance(error, BlockingIOError):
                raise
        if time.monotonic() >= deadline:
            raise UserError(f"{folder}: {what} works here{_holder(handle)}; wait for it, or stop it")
        time.sleep(INTERVAL)


def _sign(handle: int) -> None:
    """Write who holds the lock; the lock holds without it."""
    since = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {platform.node()} since {since}\n".encode(), 0)


def _holder(handle: int) -> str:
    with contextlib.suppress(OSError):
        lines = os.pread(handle, 300, 0).decode(errors="replace").splitlines()
        if lines and lines[0].isprintable():
            return f" ({lines[0]})"
    return ""


def _let_go() -> None:
    """Close what a forked process has of the locks: they are its parent's, and would outlive it."""
    for handle in _held:
        with contextlib.suppress(OSError):
            os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
