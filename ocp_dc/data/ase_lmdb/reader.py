"""Reader of aselmdb files that runs no code, and that needs neither ase-db-backends nor fairchem.

A row is JSON compressed by zlib, with arrays as ``{"__ndarray__": [shape, dtype, numbers]}``. Nothing in it is
unpickled, but ase also makes its own objects from rows (constraints, spectra), and reserves whatever size an array
declares. Here only the values of a structure and its labels are read, and a size must be that of the numbers.
"""

from __future__ import annotations

import json
import math
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from ocp_dc.core.errors import UserError
from ocp_dc.data.ase_lmdb.writer import SUFFIX
from ocp_dc.data.frames import Frame
from ocp_dc.data.lmdb_file import data_files, open_lmdb
from ocp_dc.data.structure_check import check_labels, check_stress, check_structure

STRUCTURE = ("numbers", "positions", "cell", "pbc")
LARGEST_ROW = 1 << 28  # bytes after decompression; about three million atoms


class AseLmdbReader:
    """The structures of a data set of aselmdb files, by index.

    Args:
        path: one file, or a folder of ``*.aselmdb`` files.

    Raises:
        UserError: a file is missing, empty, cut short, or not an aselmdb file.
    """

    def __init__(self, path: Path | str) -> None:
        self.files = data_files(path, SUFFIX)
        self._environments: list[lmdb.Environment] = []
        self._ids: list[list[int]] = []
        try:
            for file in self.files:
                self._environments.append(open_lmdb(file))
                self._ids.append(_ids(self._environments[-1], file))
        except BaseException:
            self.close()
            raise
        self._ends = list(accumulate(len(ids) for ids in self._ids))
        if not self._ends[-1]:
            raise UserError(f"{path}: holds no structures; expected at least one")

    def __len__(self) -> int:
        return self._ends[-1]

    def where(self, index: int) -> str:
        """Return the file of a structure and the number of its row, from 1."""
        file, row = self._locate(index)
        return f"{self.files[file]}: row {row}"

    def row(self, index: int) -> dict[str, Any]:
        """Return the values of a row by name, arrays as numpy arrays.

        Raises:
            UserError: the row is missing or damaged.
        """
        file, row = self._locate(index)
        return _value(self._environments[file], str(row), f"{self.files[file]}: row {row}", dict)

    def frame(self, index: int) -> Frame:
        """Return a structure with its labels.

        Raises:
            UserError: the row is damaged, has no energy or forces, or is not a valid structure.
        """
        return row_frame(self.row(index), self.where(index))

    def close(self) -> None:
        """Close the files."""
        for environment in self._environments:
            environment.close()

    def __enter__(self) -> AseLmdbReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        return (self.frame(index) for index in range(len(self)))

    def _locate(self, index: int) -> tuple[int, int]:
        file = bisect_right(self._ends, index)
        return file, self._ids[file][index - (self._ends[file - 1] if file else 0)]


def check_aselmdb(path: Path | str) -> int:
    """Check a data set of aselmdb files before a run, and return its number of structures.

    Raises:
        UserError: a file is missing, empty, cut short or not an aselmdb file, or its first or last row is damaged or
            not a valid structure. Labels may be missing.
    """
    with AseLmdbReader(path) as reader:
        for index in {0, len(reader) - 1}:
            row, where = reader.row(index), reader.where(index)
            numbers, positions, cell, pbc = (number_array(row, key, where) for key in STRUCTURE)
            check_structure(numbers, positions, cell, pbc, where)
        return len(reader)


def row_frame(row: dict[str, Any], where: str) -> Frame:
    """Return the structure of a row; as in fairchem 2, only ``FixAtoms`` fixes atoms, and labels in data come first.

    Args:
        row: the values of a row by name.
        where: its file and number, for messages.

    Raises:
        UserError: a value is missing or not valid.
    """
    data = row.get("data") if isinstance(row.get("data"), dict) else {}
    assert isinstance(data, dict)
    numbers, positions, cell, pbc = (number_array(row, key, where) for key in STRUCTURE)
    check_structure(numbers, positions, cell, pbc, where)
    labels = {**row, **data}
    energy, forces = number_array(labels, "energy", where), number_array(labels, "forces", where)
    if energy.size != 1 or forces.shape != positions.shape:
        raise UserError(
            f"{where}: energy has shape {energy.shape} and forces {forces.shape}; expected one number and "
            f"{positions.shape}"
        )
    check_labels(energy.item(), forces, where)
    tags = number_array(row, "tags", where) if "tags" in row else np.zeros(len(numbers), dtype=np.int64)
    identities = {key: data[key] for key in ("sid", "fid") if type(data.get(key)) is int}
    kind = data.get("config_type")
    return Frame(
        numbers=numbers.astype(np.int64),
        positions=positions.astype(np.float64),
        energy=float(energy.item()),
        forces=forces.astype(np.float64),
        cell=cell.astype(np.float64).reshape(3, 3),
        pbc=pbc.astype(bool),
        fixed=fixed_atoms(row, len(numbers), where),
        tags=tags.astype(np.int64),
        stress=_stress(labels, where),
        config_type=kind if isinstance(kind, str) else None,
        **identities,
    )


def _stress(labels: dict[str, Any], where: str) -> NDArray[np.float64] | None:
    """Return the stress [6] of a row in Voigt order, which may have stored it as [3, 3]; None where it has none."""
    if labels.get("stress") is None:
        return None
    stress = number_array(labels, "stress", where).astype(np.float64)
    if stress.size == 9:
        stress = full_3x3_to_voigt_6_stress(stress.reshape(3, 3))
    if stress.shape != (6,):
        raise UserError(f"{where}: stress has shape {stress.shape}, expected (6,) or (3, 3)")
    check_stress(stress, where)
    return stress


def fixed_atoms(row: dict[str, Any], count: int, where: str) -> NDArray[np.int64]:
    """Return 1 for the atoms that ``FixAtoms`` fixes [N], else 0.

    Raises:
        UserError: it names atoms that the structure does not have.
    """
    constraints = row.get("constraints", [])
    fixed = np.zeros(count, dtype=np.int64)
    for constraint in constraints if isinstance(constraints, list) else []:
        if isinstance(constraint, dict) and constraint.get("name") == "FixAtoms":
            indices = number_array(constraint.get("kwargs", {}), "indices", where)
            if indices.size and not (indices.dtype.kind in "iu" and -count <= indices.min() <= indices.max() < count):
                raise UserError(f"{where}: FixAtoms names atoms that it does not have ({count})")
            fixed[indices.astype(np.int64)] = 1
    return fixed


def _ids(environment: lmdb.Environment, file: Path) -> list[int]:
    following = _value(environment, "nextid", f"{file}: nextid", int)
    deleted = _value(environment, "deleted_ids", f"{file}: deleted_ids", list, [])
    if not 1 <= following <= environment.stat()["entries"] + len(deleted) + 1:
        raise UserError(f"{file}: nextid is {following}, but it has {environment.stat()['entries']} entries; mend it")
    return [row for row in range(1, following) if row not in set(deleted)]


def _value(environment: lmdb.Environment, key: str, where: str, kind: type, default: Any = None) -> Any:
    with environment.begin() as transaction:
        stored = transaction.get(key.encode("ascii"))
    if stored is None:
        if default is not None:
            return default
        raise UserError(f"{where}: missing; expected an aselmdb file, as `ocp-dc prepare --to aselmdb` writes")
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(stored, LARGEST_ROW)
        if not unpacker.eof:
            raise ValueError(f"cut short, or more than {LARGEST_ROW} bytes")
        value = json.loads(text, object_hook=_object)
    except (zlib.error, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(f"{where}: damaged ({error}); copy the file again or make it again") from error
    if type(value) is not kind:
        raise UserError(f"{where}: a {type(value).__name__}, expected a {kind.__name__}; the file is damaged")
    return value


def _object(values: dict[str, Any]) -> Any:
    """Return the array that a JSON object describes; any other object is unchanged."""
    if "__ndarray__" not in values:
        return values
    shape, dtype, numbers = values["__ndarray__"]
    array = np.array(numbers, dtype=np.dtype(dtype) if np.dtype(dtype).kind in "biuf" else np.float64)
    if math.prod(shape) != array.size:
        raise ValueError(f"an array of shape {shape} has {array.size} numbers")
    return array.reshape(shape)


def number_array(values: dict[str, Any], key: str, where: str) -> NDArray:
    """Return a value of a row as an array of numbers.

    Raises:
        UserError: it is missing or holds something else.
    """
    if values.get(key) is None:
        raise UserError(f"{where}: has no {key}; it has {', '.join(sorted(values))}")
    array = np.asarray(values[key])
    if array.dtype.kind not in "biuf":
        raise UserError(f"{where}: {key} holds {values[key]!r:.50}; expected numbers")
    return array
