"""Locks of folders: only one process at a time works in a folder.

The package filelock is not used: it does not name the holder, refuses a lock file that another user created, and fails
if the file system has no locks (ENOLCK). These locks warn in that case.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import logging
import os
import platform
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from ocp_dc.core.errors import UserError
from ocp_dc.core.lock_calls import try_lock, unlock
from ocp_dc.core.write_errors import write_errors

FILE_NAME = ".lock"
INTERVAL = 0.2  # seconds between two attempts
UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
LONGEST_HOLDER = 300  # bytes
_held: set[int] = set()  # file descriptors


@contextlib.contextmanager
def folder_lock(folder: Path, what: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder, which is created if it does not exist.

    The lock ends with the process, even if the process is killed. The file ``.lock`` names the last holder; the file
    itself locks nothing. Forked processes, such as loader workers, do not hold the lock.

    Args:
        folder: the folder.
        what: the possible other holder, for the message.
        patience: seconds to wait for a process that is about to end.

    Raises:
        UserError: another process holds the lock, the folder cannot be created, or its ``.lock`` is a link.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    handle = _open(folder / FILE_NAME)
    _held.add(handle)
    try:
        _acquire(handle, folder, what, patience)
        _write_holder(handle)
        yield
    finally:
        _held.discard(handle)
        unlock(handle)
        os.close(handle)


def _open(path: Path) -> int:
    # no O_TRUNC: the file may be another holder's. Windows has neither of the optional flags.
    flags = os.O_CREAT
    for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        if not hasattr(os, "O_NOFOLLOW") and path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        try:
            handle = os.open(path, os.O_RDWR | flags, 0o666)
        except PermissionError:  # another user's file: a lock needs reading only
            handle = os.open(path, (os.O_RDONLY | flags) & ~os.O_CREAT)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{path}: is a link, which a lock does not follow; remove it") from error
        with write_errors(path):
            raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UserError(f"{path}: is not a regular file; remove it")
    return handle


def _acquire(handle: int, folder: Path, what: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            if try_lock(handle):
                return
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            logging.warning(
                f"{folder}: its file system has no locks ({error.strerror}); let only one process work there"
            )
            return
        if time.monotonic() >= deadline:
            raise UserError(f"{folder}: {what} works here{_holder(handle)}; wait for it, or stop it")
        time.sleep(INTERVAL)


def _write_holder(handle: int) -> None:
    """Name the holder in the file; the lock is valid without it."""
    since = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, f"process {os.getpid()} on {platform.node()} since {since}\n".encode())


def _holder(handle: int) -> str:
    with contextlib.suppress(OSError):
        os.lseek(handle, 0, os.SEEK_SET)
        lines = os.read(handle, LONGEST_HOLDER).decode(errors="replace").splitlines()
        if lines and lines[0].isprintable():
            return f" ({lines[0]})"
    return ""


def _close_in_child() -> None:
    """Close the lock files in a forked process: they are its parent's, and the locks would outlive the parent."""
    for handle in _held:
        with contextlib.suppress(OSError):
            os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
