"""Convert the errors that libraries raise for a file that cannot be written into one message with cause and remedy."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ocp_dc.core.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_SPACE = "no space is left on its disk, or its quota is used up"
ADVICE = {
    errno.EFBIG: "files may not grow so large here (ulimit -f, or the file system's limit)",
    errno.EACCES: "you lack the permission; name another place, or change the permissions of this one",
    errno.EPERM: "that is not permitted there; name another place",
    errno.EROFS: "its file system is read-only; name another place",
    errno.ENOENT: "its folder does not exist and cannot be made; name another place",
    errno.ENOTDIR: "a file is where a folder is needed; name another place, or move it",
    errno.EEXIST: "a file, or a link that leads nowhere, is where a folder is needed; name another place, or move it",
    errno.EISDIR: "a folder has that name; name another file, or move the folder",
    errno.ENOTEMPTY: "a folder with files in it has that name; name another, or move it",
    errno.ELOOP: "its links lead in a circle, or to nowhere; name another place, or mend the links",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EINVAL: "no file can have that name; choose another",
    errno.EIO: "the disk or its connection fails; name another place",
    errno.ESTALE: "the connection to its file server was lost; try again",
    errno.EMFILE: "this process has too many open files (ulimit -n)",
    errno.ENFILE: "the machine has too many open files",
    errno.EBUSY: "something else is using it; try again, or name another place",
    errno.ETXTBSY: "something else is using it; try again, or name another place",
}
# torch's writer of checkpoints, h5py, lmdb and numpy give the cause as text only
TORCH_WRITER = re.compile(r"PytorchStreamWriter|inline_container\.cc.*(unexpected pos|failed)", re.DOTALL)
ERRNO = re.compile(r"errno = (\d+)")
LMDB_WRITER = re.compile(rf"mdb_\w+: {os.strerror(errno.EIO)}")  # its message for a short write
SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")


class WriteError(UserError):
    """A file could not be written; an older file is unchanged."""


@contextlib.contextmanager
def write_errors(path: str | Path, note: str = "") -> Iterator[None]:
    """Raise a :class:`WriteError` that names ``path`` if the block cannot write it.

    Args:
        path: the file or folder that the block writes.
        note: further information for the user, appended to the message.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        why = None if _is_of_another_file(error, Path(path)) else reason(error)
        if why is None:
            raise
        raise WriteError(f"{path}: cannot be written: {why}{f'. {note}' if note else ''}") from error


def reason(error: BaseException) -> str | None:
    """Return why a file could not be opened or written, and how to mend it; None for an error of another kind."""
    for each in _chain(error):
        number, text = getattr(each, "errno", None), str(each)
        if number is None and (found := ERRNO.search(text)):
            number = int(found[1])
        if number in FULL or os.strerror(errno.ENOSPC) in text or os.strerror(errno.EDQUOT) in text:
            return f"{NO_SPACE}; make room, or write elsewhere"
        if number in ADVICE and isinstance(each, OSError):
            return f"{os.strerror(number)}: {ADVICE[number]}"
        if isinstance(each, RuntimeError) and TORCH_WRITER.search(text):
            return f"torch could not write it to its end ({_first_line(text)}): most likely {NO_SPACE}"
        if LMDB_WRITER.search(text) or (isinstance(each, OSError) and SHORT_WRITE.search(text)):
            return f"not all of it could be written ({_first_line(text)}): most likely {NO_SPACE}"
    return None


def _is_of_another_file(error: Exception, path: Path) -> bool:
    """Return whether the error names a file elsewhere, such as one that the block reads."""
    name = getattr(error, "filename", None)
    if getattr(error, "errno", None) in FULL or not isinstance(name, str | bytes | os.PathLike):
        return False
    named, folder = Path(os.fsdecode(name)).absolute(), path.absolute().parent
    return not (named.is_relative_to(folder) or folder.is_relative_to(named))  # or a parent folder to create


def _first_line(text: str) -> str:
    return text.splitlines()[0]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes: a library may raise a second error while it closes the file."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__
