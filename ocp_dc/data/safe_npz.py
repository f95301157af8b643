"""Reader of npz files that never unpickles, and that checks declared sizes before it unpacks anything."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.data.archive_bounds import check_zip


def npz_shapes(path: Path | str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays in an npz file, read from their headers; () for an entry that is not an array.

    Raises:
        UserError: the file is missing or not an npz file, or its declared size is implausible.
    """
    with _opened(path) as archive:
        return {name: _shape(archive, name) for name in archive.files}


def load_npz(path: Path | str, names: Iterable[str] | None = None) -> dict[str, NDArray]:
    """Return arrays of an npz file.

    Args:
        path: the file.
        names: the arrays to read; None reads all.

    Raises:
        UserError: the file is missing, damaged or not an npz file, lacks one of ``names``, or its declared size is
            implausible.
        UnsafeDataError: an array holds Python objects, which are stored as a pickle.
    """
    with _opened(path) as archive:
        wanted = archive.files if names is None else list(names)
        missing = [name for name in wanted if name not in archive.files]
        if missing:
            raise UserError(f"{path}: no {', '.join(missing)}; the file has {', '.join(archive.files)}")
        return {name: _read(archive, name, path) for name in wanted}


@contextmanager
def _opened(path: Path | str) -> Iterator[NpzFile]:
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; expected an npz file")
    if not zipfile.is_zipfile(path):  # np.load would read it as a pickle
        raise UserError(f"{path}: not an npz file, or cut short; expected what numpy.savez writes")
    check_zip(path)
    try:
        archive = np.load(path, allow_pickle=False)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a readable npz file ({error}); expected what numpy.savez writes") from error
    with archive:
        yield archive


def _shape(archive: NpzFile, name: str) -> tuple[int, ...]:
    member = name if name in archive.zip.namelist() else f"{name}.npy"
    try:
        with archive.zip.open(member) as file:
            header = read_array_header_1_0 if read_magic(file) == (1, 0) else read_array_header_2_0
            return header(file)[0]
    except Exception:  # not an array, or damaged; reading it raises a better message
        return ()


def _read(archive: NpzFile, name: str, path: Path | str) -> NDArray:
    try:
        _check_header(archive, name)
        return archive[name]
    except Exception as error:  # damage raises many types of errors: zlib.error, BadZipFile, EOFError, SyntaxError
        if "allow_pickle" in str(error):
            raise UnsafeDataError(
                f"{path}: array {name!r} holds Python objects, which only a pickle can restore, and a pickle can run"
                " code; expected plain numbers. Save it again from a source that you trust, without dtype=object"
            ) from error
        raise UserError(f"{path}: array {name!r} cannot be read ({error}); the file is damaged") from error


def _check_header(archive: NpzFile, name: str) -> None:
    """Check that the size in an array's header is that of its entry, as numpy allocates it before reading."""
    entries = {entry.filename: entry for entry in archive.zip.infolist()}
    entry = entries.get(f"{name}.npy") or entries[name]
    with archive.zip.open(entry) as file:
        shape, dtype = _header(file)
        if (
            not dtype.hasobject
            and (declared := max(dtype.itemsize, 1) * _product(shape)) != entry.file_size - file.tell()
        ):
            raise ValueError(f"shape {shape} of {dtype} takes {declared} bytes, got {entry.file_size - file.tell()}")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for length in shape:  # in Python's integers, which do not overflow
        product *= length
    return product
