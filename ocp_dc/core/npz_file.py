"""Write an npz archive whole or not at all, without further errors of zipfile if the disk is full."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ocp_dc.core.files import replacing


def write_npz(path: str | Path, **arrays: Any) -> None:
    """Write a compressed archive, replacing an older one; a link is replaced and not followed.

    Raises:
        WriteError: it cannot be written; an older one remains unchanged.
    """
    with replacing(path) as new, new.open("wb") as file:
        target = _UntilFull(file)
        np.savez_compressed(target, **arrays)
        target.check()


class _UntilFull(io.RawIOBase):
    """Keep the first error of writing for later: zipfile writes the end of a failed archive, and fails again.

    Args:
        file: an open file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: OSError | None = None

    def writable(self) -> bool:
        """Return True: the stream is for writing only."""
        return True

    def write(self, data: Any) -> int:
        """Write, unless an earlier call failed."""
        try:
            if self._error is None:
                self._file.write(data)
        except OSError as error:
            self._error = error
        return memoryview(data).nbytes

    def check(self) -> None:
        """Flush the file, or raise the error of an earlier call."""
        if self._error is None:
            self._file.flush()
        else:
            raise self._error
