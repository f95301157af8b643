"""Temporary files and folders beside what they become; those that a dead process left are taken away.

The name says who made it: ``.NAME.MACHINE-PROCESS-RANDOM.tmp``. MACHINE is a digest of the host's name and its space
of process numbers, which containers have of their own.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import secrets
import shutil
import time
import zlib
from pathlib import Path

LONGEST = 180  # bytes of the target's name that go into a temporary one, of the 255 that file systems allow
OLD = 24 * 3600  # seconds, after which nobody is writing any longer: for files of other machines


def new_file(target: Path) -> Path:
    """Make an empty temporary file beside ``target`` and return its path; leftovers of dead processes go.

    The file is new: no link that lies there is followed. Its permissions are those of any new file.
    """
    remove_leftovers(target.parent, target.name)
    path = target.with_name(_name(target, ".tmp"))
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o666))
    return path


def new_folder(target: Path) -> Path:
    """Make an empty temporary folder beside ``target`` and return its path; leftovers of dead processes go."""
    remove_leftovers(target.parent, target.name)
    path = target.with_name(_name(target, ".partial"))
    path.mkdir()
    return path


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Take away temporary files and folders whose process is gone; what cannot be removed stays.

    Args:
        folder: where they lie.
        name: of what they would have become; None for all.
    """
    # earlier versions named the process alone
    what = ".+" if name is None else re.escape(_shortened(name))
    pattern = re.compile(rf"\.{what}\.(?:([0-9a-f]{{8}})-)?(\d+)(?:-[0-9a-f]{{8}})?\.(?:tmp|partial)")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = pattern.fullmatch(entry.name)
            if found and _is_left(entry, found[1], int(found[2])):
                remove(Path(entry.path))


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, if it is there and can be removed."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def alive(process: int) -> bool:
    """Return whether a process of this machine lives, of whichever user."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True


def _is_left(entry: os.DirEntry, machine: str | None, process: int) -> bool:
    if machine in (None, _machine()) and not alive(process):
        return True
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > OLD


def _name(target: Path, suffix: str) -> str:
    return f".{_shortened(target.name)}.{_machine()}-{os.getpid()}-{secrets.token_hex(4)}{suffix}"


def _shortened(name: str) -> str:
    return os.fsencode(name)[:LONGEST].decode(errors="ignore")


@functools.lru_cache(maxsize=1)
def _machine() -> str:
    space = Path("/proc/self/ns/pid")
    name = platform.node() + (str(space.readlink()) if space.is_symlink() else "")
    return f"{zlib.crc32(name.encode()):08x}"
