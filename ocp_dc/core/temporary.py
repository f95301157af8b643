"""Temporary files and folders beside their targets; leftovers of dead processes are removed.

The name says which process created it: ``.NAME.MACHINE-PROCESS-RANDOM.tmp``. MACHINE is a digest of the host's name and
its namespace of process numbers, which differs between containers.
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

LONGEST = 180  # bytes of the target's name in a temporary name; file systems allow 255 in all
OLD = 24 * 3600  # seconds; a file of another machine that is older is a leftover


def new_file(target: Path) -> Path:
    """Create an empty temporary file beside ``target`` and return its path; remove leftovers of dead processes.

    The file is new, so that no link is followed. Its permissions are those of any new file.
    """
    remove_leftovers(target.parent, target.name)
    path = target.with_name(_name(target, ".tmp"))
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o666))
    return path


def new_folder(target: Path) -> Path:
    """Create an empty temporary folder beside ``target`` and return its path; remove leftovers of dead processes."""
    remove_leftovers(target.parent, target.name)
    path = target.with_name(_name(target, ".partial"))
    path.mkdir()
    return path


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove temporary files and folders of dead processes; those that cannot be removed remain.

    Args:
        folder: their folder.
        name: name of their target; None for all targets.
    """
    # names of earlier versions have the process number only
    what = ".+" if name is None else re.escape(_shortened(name))
    pattern = re.compile(rf"\.{what}\.(?:([0-9a-f]{{8}})-)?(\d+)(?:-[0-9a-f]{{8}})?\.(?:tmp|partial)")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = pattern.fullmatch(entry.name)
            if found and _is_leftover(entry, found[1], int(found[2])):
                remove(Path(entry.path))


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with its content, if it exists and can be removed."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Return whether a process of any user runs on this machine; on Windows the answer is always True."""
    if os.name == "nt":  # os.kill would send Ctrl-C there
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True


def _is_leftover(entry: os.DirEntry, machine: str | None, process: int) -> bool:
    if machine in (None, _machine()) and not is_alive(process):
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
