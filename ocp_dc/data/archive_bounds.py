"""Limits on the unpacked size of compressed files, checked from the declared sizes before any content is read.

Numerical data compress to between a half and a tenth of their size. Deflate reaches 1032:1 on zeros, and other methods
and overlapping entries reach far more: a file of one megabyte can declare gigabytes. A file that unpacks to at most
``ALWAYS_ALLOWED`` bytes is accepted at any ratio, so that small arrays of zeros can be read; a larger one may unpack to
at most ``LARGEST_RATIO`` times its size on the disk. A valid array of zeros above both limits is refused, too; it can
be read if it is saved without compression.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from ocp_dc.core.errors import UserError

ALWAYS_ALLOWED = 256 * 2**20  # bytes
LARGEST_RATIO = 100


def check_declared_size(declared: int, stored: int, where: str) -> None:
    """Check that the declared size of compressed data is plausible for its stored size.

    Args:
        declared: the declared size after unpacking, in bytes.
        stored: the size on the disk, in bytes.
        where: the name of the data in messages, for example a file, or a file and a data set in it.

    Raises:
        UserError: ``declared`` is more than ``ALWAYS_ALLOWED`` bytes and more than ``LARGEST_RATIO`` times
            ``stored``.
    """
    if declared < 0 or declared > max(ALWAYS_ALLOWED, LARGEST_RATIO * stored):
        raise UserError(
            f"{where}: declares {declared:,} bytes in {stored:,} on the disk; expected at most {LARGEST_RATIO} times "
            f"as many, or {ALWAYS_ALLOWED // 2**20} MiB. If the file is genuine, save it again without compression"
        )


def check_zip(path: Path | str) -> list[zipfile.ZipInfo]:
    """Check the declared size of a zip archive, such as an npz file or a checkpoint.

    Only the directory at the end of the file is read.

    Args:
        path: the archive.

    Returns:
        The entries of the archive.

    Raises:
        UserError: the file is not a zip archive, its directory is damaged, or the total declared size is too large;
            entries that share their bytes are counted each.
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
