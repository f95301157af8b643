"""Read numbers from an untrusted HDF5 file, without opening any other file.

An HDF5 file can refer to other files by external links, virtual datasets and external storage. It can also contain
references, and filters that load a plugin. PDEBench's files need none of these, so they are refused before any value is
read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ocp_dc.core.errors import UnsafeDataError, UserError, nearest

LARGEST_READ = 1 << 27  # values of one sample; the largest of PDEBench has 2 * 101 * 128 * 128
SMALL_READ = 1 << 26  # bytes that may be read at any compression ratio
LARGEST_RATIO = 200  # of unpacked to stored bytes, beyond SMALL_READ; real fields reach about 10
LARGEST_CHUNK = 1 << 30  # bytes that one stored chunk unpacks to
LONGEST_CONFIG = 100_000  # characters
# deflate, shuffle, fletcher32, szip, nbit, scaleoffset, and lzf from h5py, which PDEBench uses
BUILT_IN_FILTERS = {1, 2, 3, 4, 5, 6, 32000}
# exceptions that h5py may raise for a damaged file
DAMAGE = (LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)


def h5py() -> Any:
    """Return the module h5py.

    Raises:
        UserError: it is not installed.
    """
    try:
        import h5py as module
    except ImportError as error:
        raise UserError(
            "h5py is not installed, which reads and writes PDEBench's files: pip install .[pinn]"
        ) from error
    return module


@contextmanager
def open_hdf5(path: Path | str) -> Iterator[Any]:
    """Open an HDF5 file for reading.

    Raises:
        UserError: the file is missing, is not an HDF5 file, or is damaged, even if this shows only within the block.
    """
    library = h5py()
    if not Path(path).is_file():
        what = "is a folder" if Path(path).is_dir() else "no such file"
        raise UserError(f"{path}: {what}; expected an HDF5 file of PDEBench, or of `ocp-dc pinn data`")
    if not library.is_hdf5(path):
        raise UserError(f"{path}: not an HDF5 file; expected one of PDEBench, or of `ocp-dc pinn data`")
    try:
        with library.File(path, "r", locking=False) as file:
            yield file
    except UserError:
        raise
    except DAMAGE as error:
        raise UserError(f"{path}: cannot be read ({error}); the file is damaged or cut short") from error


def has_link(group: Any, name: str) -> bool:
    """Return whether a group has a link with this name, without following the link as ``name in group`` does."""
    return isinstance(group, h5py().Group) and group.id.links.exists(name.encode())


def find(group: Any, key: str, kind: str) -> Any:
    """Return the dataset or group at ``key``, following only hard links.

    Args:
        group: the file or a group in it.
        key: names joined by ``/``.
        kind: ``"dataset"`` or ``"group"``.

    Raises:
        UserError: there is no such dataset or group; the message names the nearest key.
        UnsafeDataError: a link is not a hard link.
    """
    library, path, node = h5py(), group.file.filename, group
    for name in key.split("/"):
        if not has_link(node, name):
            names = list(node)[:20] if isinstance(node, library.Group) else []
            raise UserError(
                f"{path}: no {key!r} in {group.name!r}, expected a {kind}; there is"
                f" {', '.join(names) or 'nothing'}.{nearest(name, names)}"
            )
        if node.id.links.get_info(name.encode()).type != library.h5l.TYPE_HARD:
            raise UnsafeDataError(
                f"{path}: {key!r} is a soft or external link, which is not followed; expected a {kind} in the file"
                " itself. Copy its content there from a source that you trust"
            )
        node = node[name]
    if not isinstance(node, library.Dataset if kind == "dataset" else library.Group):
        raise UserError(f"{path}: {key!r} is a {type(node).__name__.lower()}, expected a {kind}")
    if kind == "dataset":
        _check_plain(node, f"{path}: {key!r}")
    return node


def read_numbers(dataset: Any, index: int | None = None) -> np.ndarray:
    """Return a dataset, or one entry along its first axis, as float64.

    Only these values are read from disk.

    Raises:
        UserError: the dataset is too large, or contains NaN or infinity.
    """
    where = f"{dataset.file.filename}: {dataset.name!r}"
    shape = dataset.shape if index is None else dataset.shape[1:]
    if math.prod(shape) > LARGEST_READ:
        raise UserError(f"{where} has {math.prod(shape)} values a sample, expected at most {LARGEST_READ}")
    stored, unpacked = dataset.id.get_storage_size(), math.prod(dataset.shape) * dataset.dtype.itemsize
    if 8 * math.prod(shape) > SMALL_READ and unpacked > LARGEST_RATIO * stored:
        raise UserError(
            f"{where} unpacks from {stored} bytes to {unpacked}, expected at most {LARGEST_RATIO} times as many; it "
            "holds next to nothing, or was made to fill the memory"
        )
    with np.errstate(invalid="ignore", over="ignore"):  # a damaged number may be no number, which is found below
        values = np.asarray(dataset[()] if index is None else dataset[index], dtype=np.float64)
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise UserError(f"{where} holds {count} values that are NaN or infinite, expected numbers; take another sample")
    return values


def number_in(attributes: Any, name: str) -> float | None:
    """Return the attribute ``name`` if it is a single finite number, possibly written as text, else None."""
    value = _attribute(attributes, name)
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "fiuSUO":
        value = value.reshape(-1)[0]
    if isinstance(value, bytes | str):
        return _finite_float(value)
    if isinstance(value, np.number | int | float) and np.isrealobj(value) and math.isfinite(value):
        return float(value)
    return None


def _finite_float(text: bytes | str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def number_in_config(text: object, name: str) -> float | None:
    """Return the entry ``name`` of a YAML text if it is a finite number, else None.

    The line is matched without a YAML parser, since references in an untrusted text can expand without bound.
    """
    if isinstance(text, str) and len(text) <= LONGEST_CONFIG:
        found = re.search(rf"^ +{re.escape(name)}: *['\"]?([-+0-9.eE]+)['\"]? *$", text, re.MULTILINE)
        if found:
            return _finite_float(found[1])
    return None


def text_in(attributes: Any, name: str) -> str | None:
    """Return the attribute ``name`` if it is text, else None."""
    value = _attribute(attributes, name)
    return value if isinstance(value, str) else None


def _attribute(attributes: Any, name: str) -> Any:
    try:
        return attributes.get(name)
    except DAMAGE:  # or of an unusual type: parameters are optional
        return None


def _check_plain(dataset: Any, where: str) -> None:
    if dataset.dtype.kind not in "fiu":
        raise UnsafeDataError(f"{where} holds {dataset.dtype}, expected plain numbers; nothing else is read")
    if dataset.is_virtual or dataset.external:
        raise UnsafeDataError(
            f"{where} keeps its values in other files, which are not opened; expected them in the file itself"
        )
    properties = dataset.id.get_create_plist()
    filters = {properties.get_filter(number)[0] for number in range(properties.get_nfilters())}
    if not filters <= BUILT_IN_FILTERS:
        raise UnsafeDataError(
            f"{where} is packed by filter {min(filters - BUILT_IN_FILTERS)}, which needs a plugin; expected gzip, lzf"
            " or none. Repack it with h5repack"
        )
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > LARGEST_CHUNK:
        raise UserError(f"{where} is stored in chunks of {dataset.chunks}, expected at most {LARGEST_CHUNK} bytes each")
