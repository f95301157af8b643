"""The folder in which torch keeps compiled functions of ours, apart from the user's other compilations.

Torch loads Python source and shared libraries from it, which run in this process. So the folder belongs to the user and
nobody else may write to it; otherwise a fresh temporary folder takes its place. Nothing from elsewhere is ever put
there. A user who sets ``TORCHINDUCTOR_CACHE_DIR`` has chosen a folder, and is responsible for it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ocp_dc.core import temporary
from ocp_dc.core.caches import cache_folder

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"  # torch reads it at each access to its cache
NAME = "compiled"
MARK = "in-use"  # name of the files that mark a compilation in progress
DONE = "done"  # the file that marks a folder with a whole compilation


def chosen_by_user() -> bool:
    """Return whether the user has set torch's cache folder; torch itself sets it to its default at the first use."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    return os.environ.get(VARIABLE) not in (None, "", default_cache_dir())


def is_warm(key: str) -> bool:
    """Return whether a function was compiled on this machine before.

    Args:
        key: digest of all that the compiled code depends on.
    """
    try:
        return (_root() / key / DONE).is_file()
    except RuntimeError:  # the user has no home
        return False


@contextlib.contextmanager
def compilation_cache(key: str) -> Iterator[None]:
    """Let torch keep compiled code in a folder of ours within the block, unless the user has chosen a folder.

    A process that is killed while it compiles can leave a broken file, which torch would load. It leaves its mark, too,
    and then the folder is cleared first. It is also cleared if the block fails.

    Args:
        key: digest of all that the compiled code depends on, the name of the folder.
    """
    if chosen_by_user():
        yield
        return
    with _private_folder(key) as folder:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = str(folder)
        try:
            yield
        finally:
            if before is None:
                os.environ.pop(VARIABLE, None)
            else:
                os.environ[VARIABLE] = before


@contextlib.contextmanager
def _private_folder(key: str) -> Iterator[Path]:
    folder = _folder(key)
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="ocp_dc-compiled-", ignore_cleanup_errors=True) as temporary_folder:
            yield Path(temporary_folder)
        return
    mark = temporary.new_file(folder / MARK)
    try:
        yield folder
    except BaseException:
        clear(key)
        raise
    else:
        (folder / DONE).touch()
    finally:
        temporary.remove(mark)


def clear(key: str) -> None:
    """Remove the folder of a function; another process that compiles there fails, and compiles again."""
    with contextlib.suppress(RuntimeError):
        shutil.rmtree(_root() / key, ignore_errors=True)


def _root() -> Path:
    return cache_folder(NAME)


def _folder(key: str) -> Path | None:
    """Return the folder of a function, private and without broken files, or None if there cannot be one."""
    try:
        root = _root()
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _is_private(root):
            logging.warning(f"{root} belongs to another user, or others may write to it: compiled code is not kept")
            return None
        folder = root / key
        if folder.is_dir() and _was_interrupted(folder):
            clear(key)
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder if _is_private(folder) else None
    except (OSError, RuntimeError) as error:
        logging.warning(f"compiled code is not kept: {error}")
        return None


def _is_private(folder: Path) -> bool:
    """Return whether the folder is this user's and nobody else can write to it; Windows has no such question."""
    if os.name == "nt":
        return True
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022


def _was_interrupted(folder: Path) -> bool:
    """Return whether a process died while it compiled in a folder."""
    marks = set(folder.glob(f".{MARK}.*"))
    temporary.remove_leftovers(folder, MARK)
    return marks != set(folder.glob(f".{MARK}.*"))
