"""Structures from the LMDBs of OC20 and OC22, whose records are read as data: none of their code runs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.units import energy_in_ev, length_in_angstrom
from ocp_dc.data.boundaries import has_volume
from ocp_dc.data.frames import Frame
from ocp_dc.data.oc20_lmdb.lmdb_check import check_lmdb
from ocp_dc.data.oc20_lmdb.lmdb_reader import LmdbReader
from ocp_dc.data.oc20_lmdb.safe_pickle import loads
from ocp_dc.data.oc20_lmdb.sample_check import check_values
from ocp_dc.data.oc20_lmdb.sample_form import ENERGY_KEYS, FORCES_KEYS, STRESS_KEY, as_array
from ocp_dc.data.readers.label_keys import LabelKeys
from ocp_dc.data.readers.stress_labels import in_physical_units, is_ambiguous

IN_DOUBLE = ("pos", "cell")  # the check casts them to single precision


class LmdbSource:
    """The structures of LMDB files, one file after another.

    Args:
        files: the files.
        unit: the energy unit; None is eV, the unit of OC20 and OC22.
        length_unit: the unit of positions and cells; None is Å. Forces are energies per this length.
        keys: the names of energies and forces, such as y_relaxed; None are the usual names.
        labels: labels must be there; otherwise those that are missing are NaN.

    Raises:
        UserError: a file is missing, not an LMDB, or cut short, or its first or last record is not valid.
        UnsafeDataError: a record names an object that could run code.
    """

    def __init__(
        self,
        files: Sequence[Path],
        unit: str | None = None,
        length_unit: str | None = None,
        keys: LabelKeys = LabelKeys(),  # noqa: B008 - immutable
        labels: bool = True,
    ) -> None:
        self.name = ", ".join(map(str, files[:3])) + (", ..." if len(files) > 3 else "")
        self.unit, self.length_unit = unit or "eV", length_unit or "Å"
        self._energy, self._length = energy_in_ev(self.unit), length_in_angstrom(self.length_unit)
        self._keys, self._labels = keys, labels
        self._ends = list(accumulate(check_lmdb(file) for file in files))
        self._readers = [LmdbReader(file) for file in files]

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Frame:
        file, record = self._locate(index)
        values = read_record(self._readers[file], record)
        return record_frame(values, self.where(index), self._keys, self._labels, self._energy, self._length)

    def where(self, index: int) -> str:
        """Return the file of a structure and the number of its record."""
        file, record = self._locate(index)
        return f"{self._readers[file].path}: record {record}"

    def notes(self) -> list[str]:
        """Return no remarks."""
        return []

    def describe(self) -> dict[str, object]:
        """Return the format and the units."""
        return {"format": "lmdb", "units": self.unit, "length_units": self.length_unit}

    def close(self) -> None:
        """Close the files."""
        for reader in self._readers:
            reader.close()

    def _locate(self, index: int) -> tuple[int, int]:
        file = bisect_right(self._ends, index)
        return file, index - (self._ends[file - 1] if file else 0)


def read_record(reader: LmdbReader, number: int) -> dict[str, Any]:
    """Return the values of a record by name.

    Raises:
        UserError: the record is missing, damaged, or not a torch_geometric Data.
        UnsafeDataError: it names an object that could run code.
    """
    where = f"{reader.path}: record {number}"
    stored = reader.get(str(number).encode("ascii"))
    assert stored is not None  # the reader raises an error for a missing record
    values = loads(stored, where, dict)
    if not isinstance(values, dict):
        raise UserError(f"{where}: a {type(values).__name__}; expected a torch_geometric Data")
    return values


def record_frame(
    values: dict[str, Any], where: str, keys: LabelKeys, labels: bool, energy: float = 1.0, length: float = 1.0
) -> Frame:
    """Return the structure of a record; its values get the standard form in place.

    Atoms that are not in the record are free, and tags that are not are 0. Positions, cells and labels keep the digits
    of the record.

    Args:
        values: the values of the record by name.
        where: its file and number, for messages.
        keys: the names of the labels; None are the usual names.
        labels: labels must be there; otherwise those that are missing are NaN.
        energy: the energy unit in eV.
        length: the length unit in Å.

    Raises:
        UserError: a value is missing or not valid.
    """
    exact = {
        key: as_array(values[key], key, where).astype(np.float64) * length
        for key in IN_DOUBLE
        if values.get(key) is not None
    }
    check_values(values, where)
    count = len(values["pos"])
    cell = exact["cell"].reshape(3, 3) if "cell" in exact else np.zeros((3, 3))
    pbc = as_array(values["pbc"], "pbc", where).reshape(3) if "pbc" in values else _cell_directions(cell)
    of_atoms = (as_array(values.get(key, np.zeros(count)), key, where) for key in ("fixed", "tags"))
    fixed, tags = (array.astype(np.int64) for array in of_atoms)
    total = _label(values, keys.energy, ENERGY_KEYS, (), labels, where)
    forces = _label(values, keys.forces, FORCES_KEYS, (count, 3), labels, where)
    return Frame(
        numbers=as_array(values["atomic_numbers"], "atomic_numbers", where).astype(np.int64),
        positions=exact["pos"].reshape(count, 3),
        energy=float(total) * energy,
        forces=forces * (energy / length),
        cell=cell,
        pbc=pbc.astype(bool),
        fixed=fixed,
        tags=tags,
        sid=values["sid"] if type(values.get("sid")) is int else None,
        fid=values["fid"] if type(values.get("fid")) is int else 0,
        stress=_stress(values, keys, energy, length, abs(float(np.linalg.det(cell))), where),
    )


def _cell_directions(cell: NDArray) -> NDArray[np.bool_]:
    """Return the periodic directions [3] of a record without ``pbc``: in OC20, whatever has a cell is periodic.

    fairchem's conversion from ase puts a vector of 1 Å in the place of one that is missing.
    """
    return np.full(3, has_volume(cell)) & (np.abs(np.linalg.norm(cell, axis=1) - 1) > 1e-6)


def _stress(
    values: dict[str, Any], keys: LabelKeys, energy: float, length: float, volume: float, where: str
) -> NDArray[np.float64] | None:
    """Return the stress [6] in eV/Å³ and Voigt order; None where there is none, or no volume [Å³]."""
    given = keys.stress or keys.virial
    name = given or STRESS_KEY
    if values.get(name) is None:
        if given is not None:
            raise UserError(f"{where}: {unknown_name('label', given, values)}")
        return None
    if volume == 0.0 or is_ambiguous(keys, energy, length):
        return None
    array = as_array(values[name], name, where)
    return in_physical_units(array, name, keys.virial is not None, keys, energy, length, volume, where)


def _label(
    values: dict[str, Any], key: str | None, usual: Sequence[str], shape: tuple[int, ...], required: bool, where: str
) -> NDArray[np.float64]:
    names = usual if key is None else [key]
    known = [name for name in names if values.get(name) is not None]
    if not all(np.array_equal(np.asarray(values[name]), np.asarray(values[known[0]])) for name in known):
        raise UserError(f"{where}: {' and '.join(known)} are different labels; remove the wrong one")
    found = values[known[0]] if known else None
    if found is None and not required:
        return np.full(shape, np.nan)
    if found is None and key is not None:
        raise UserError(f"{where}: {unknown_name('label', key, values)}")
    if found is None:
        raise UserError(f"{where}: has no {' or '.join(usual)}; it has {', '.join(sorted(values))}")
    array = as_array(found, " or ".join(names), where).astype(np.float64)
    if array.size != np.prod(shape, dtype=int):
        raise UserError(f"{where}: {' or '.join(names)} has shape {array.shape}, expected {shape or 'one number'}")
    return array.reshape(shape)
