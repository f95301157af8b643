"""The operating system's locks of open files: flock on Linux and macOS, a locked byte on Windows."""

from __future__ import annotations

import contextlib
import errno
import os
from types import ModuleType

fcntl: ModuleType | None
msvcrt: ModuleType | None
try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None
try:
    import msvcrt
except ModuleNotFoundError:
    msvcrt = None

# Windows lets no other process read a locked byte: this one is after the text of any lock file
LOCKED_BYTE = 1 << 30
HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)


def try_lock(handle: int) -> bool:
    """Lock an open file and return True, or return False if another process holds the lock; never wait.

    Args:
        handle: the file descriptor; the lock ends when it is closed, and with the process.

    Raises:
        OSError: the file system or the operating system has no locks.
    """
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif msvcrt is not None:
            os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    except OSError as error:
        if error.errno in HELD:
            return False
        raise
    return True


def unlock(handle: int) -> None:
    """Release the lock of an open file, if there is one; Windows may take a while to do so after a close."""
    if fcntl is None and msvcrt is not None:
        with contextlib.suppress(OSError):
            os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
