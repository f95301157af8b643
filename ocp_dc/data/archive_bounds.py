"""Bounds of what a compressed file may unpack to, by the sizes that it declares, before anything of it is read.

Numbers that a simulation gives compress to a half or a tenth. Deflate reaches 1032:1 with zeros, other methods and
overlapping entries far more: a file of a megabyte can declare gigabytes. What unpacks to at most ``ALWAYS_ALLOWED``
bytes is read whatever its ratio, so that small arrays of zeros stay readable; beyond that at most ``LARGEST_RATIO``
times the bytes on the disk. A genuine array of zeros above both is refused too; saved without compression it is read.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from ocp_dc.core.errors import UserError

ALWAYS_ALLOWED = 256 * 2**20  # bytes
LARGEST_RATIO = 100


def check_declared_size(declared: int, stored: int, where: str) -> None:
    """Refuse what would unpack to far more than it has bytes.

    Args:
        declared: bytes that it says it unpacks to.
        stored: bytes that it takes on the disk.
        where: what the message calls it, for example a file, or a file and a data set in it.

    Raises:
        UserError: it declares more than ``ALWAYS_ALLOWED`` bytes and more than ``LARGEST_RATIO`` times ``stored``.
    """
    if declared < 0 or declared > max(ALWAYS_ALLOWED, LARGEST_RATIO * stored):
        raise UserError(
            f"{where}: declares {declared:,} bytes in {stored:,} on the disk; expected at most {LARGEST_RATIO} times "
            f"as many, or {ALWAYS_ALLOWED // 2**20} MiB. If the file is genuine, save it again without compression"
        )


def check_zip(path: Path | str) -> list[zipfile.ZipInfo]:
    """Refuse a zip archive that would unpack to far more than it has bytes, such as an npz file or a checkpoint.

    Only the directory at the end of the file is read.

    Args:
        path: the archive.

    Returns:
        The entries of the archive.

    Raises:
        UserError: the file is no zip archive, its directory is damaged, or it declares too much in all, entries that
            share their bytes included.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: its zip directory cannot be read ({error}); the file is damaged or cut short"
        ) from error
    check_declared_size(sum(entry.file_size for entry in entries), path.stat().st_size, str(path))
    return entries
