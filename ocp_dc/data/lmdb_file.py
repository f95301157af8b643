"""Opening of an LMDB file with the errors that a user can act on."""

from __future__ import annotations

from pathlib import Path

import lmdb

from ocp_dc.core.errors import UserError, nearest

LMDB = ".lmdb"  # the suffix of OC20's files
MAGIC = bytes.fromhex("dec0efbe")  # of any LMDB, after the header of its first page
HEADER = 16  # bytes


def is_lmdb(path: Path) -> bool:
    """Return whether a file begins as an LMDB does, whatever its name."""
    with path.open("rb") as file:
        return file.read(HEADER + len(MAGIC))[HEADER:] == MAGIC


def data_files(path: Path | str, suffix: str) -> list[Path]:
    """Return the files of a data set: the file itself, or the sorted files of a folder.

    Args:
        path: one file, or a folder of files.
        suffix: of the files in a folder, such as ``.lmdb``.

    Raises:
        UserError: there is no such file or folder, or the folder has no such file.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.glob(f"*{suffix}"))
        if not files:
            raise UserError(f"{path}: no *{suffix} file in this folder; expected at least one")
        return files
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, siblings) if siblings else f" Its folder {path.parent} does not exist either."
        raise UserError(f"{path}: no such file; expected an LMDB file or a folder of *{suffix} files.{hint}")
    return [path]


def open_lmdb(path: Path) -> lmdb.Environment:
    """Open a file for reading, with the options of fairchem's data sets.

    Raises:
        UserError: the file is empty, not an LMDB, or cut short. A read past the end of the memory map would end the
            process, so that the size is compared with the one that the file declares.
    """
    size = path.stat().st_size
    if size == 0:
        raise UserError(f"{path}: the file is empty (0 bytes); expected an LMDB. Was it copied completely?")
    try:
        env = lmdb.open(str(path), subdir=False, readonly=True, lock=False, readahead=True, max_readers=1)
    except lmdb.Error as error:
        raise UserError(
            f"{path}: cannot be opened as an LMDB ({error}); expected a file that `ocp-dc prepare` wrote"
        ) from error
    expected = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    if size < expected:
        env.close()
        raise UserError(
            f"{path}: cut short: {size} bytes, expected {expected}. Copy it again, or make it again with"
            " `ocp-dc prepare`"
        )
    return env
