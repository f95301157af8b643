"""Reader of files with energies and forces that ase.io supports: extended XYZ, traj, ase databases, and others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian, FixScaled

from ocp_dc.core.errors import UserError
from ocp_dc.core.units import energy_in_ev, length_in_angstrom
from ocp_dc.data.frames import Frame
from ocp_dc.data.readers import stated_units
from ocp_dc.data.readers.ase_readers import Table, open_reader, unreadable
from ocp_dc.data.readers.label_keys import LabelKeys, doubtful_names, fill_labels, labels_of, other_labels
from ocp_dc.data.readers.stress_labels import stress_label
from ocp_dc.data.structure_check import check_cell

LONGEST_TYPE = 100  # characters of a config_type


class AseSource:
    """The structures of a file that ase.io reads, with raw labels: no constraint is applied to the forces.

    Trajectories and databases are read by index; any other file is read once into flat arrays, and ``in_memory`` is
    True. Frames take ``sid`` and ``fid`` from ``info`` (in databases, from the key-value pairs or the data) if both are
    integers, and ``config_type``.

    Args:
        path: the file.
        unit: the energy unit of the file; None is eV, the unit of ase.
        length_unit: the unit of positions and cells; None is Å. Forces are energies per this length.
        keys: the names of energies, forces and stresses in the file.
        labels: labels must be there; otherwise those that are missing are NaN.

    Raises:
        UserError: the file is missing or unreadable, has no structures, or has a structure without energy or forces or
            with another unit.
    """

    def __init__(
        self,
        path: Path | str,
        unit: str | None = None,
        length_unit: str | None = None,
        keys: LabelKeys = LabelKeys(),  # noqa: B008 - immutable
        labels: bool = True,
    ) -> None:
        self.name = str(path)
        self._converter = FrameConverter(self.name, unit, length_unit, keys, labels)
        if not Path(path).is_file():
            raise UserError(f"{path}: no such file; expected a file that ase.io reads")
        try:
            self._reader = open_reader(Path(path), self._converter.frame, labels)
            length = len(self._reader)
        except UserError:
            raise
        except Exception as error:  # each reader of ase raises different errors
            raise unreadable(self.name, error) from error
        if length == 0:
            raise UserError(f"{path}: holds no structures; expected at least one")
        self.in_memory = isinstance(self._reader, Table)

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> Frame:
        try:
            return self._reader[index]
        except UserError:
            raise
        except Exception as error:
            raise unreadable(self.where(index), error) from error

    def where(self, index: int) -> str:
        """Return the file and number of a structure."""
        return self._converter.where(index)

    def notes(self) -> list[str]:
        """Return remarks on the labels of the first structure, such as other energies and forces in it."""
        return self._converter.notes or []

    def describe(self) -> dict[str, object]:
        """Return the format and the units."""
        return {"format": "ase", "units": self._converter.unit, "length_units": self._converter.length_unit}

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class FrameConverter:
    """Turns ase's atoms into frames: in Å and eV, with the labels of the given names.

    Args:
        name: the file, for messages.
        unit: as for :class:`AseSource`.
        length_unit: likewise.
        keys: likewise.
        labels: likewise.

    Attributes:
        notes: remarks on the labels of the first structure; None before that.
    """

    def __init__(self, name: str, unit: str | None, length_unit: str | None, keys: LabelKeys, labels: bool) -> None:
        self._name, self._keys, self._labels = name, keys, labels
        self.unit, self.length_unit = unit or "eV", length_unit or "Å"
        self._energy, self._length = energy_in_ev(self.unit), length_in_angstrom(self.length_unit)
        self.notes: list[str] | None = None

    def where(self, index: int) -> str:
        """Return the file and number of a structure."""
        return f"{self._name}: frame {index}"

    def frame(self, atoms: Atoms, index: int) -> Frame:
        """Return the frame of a structure, and convert its positions and its cell to Å in place.

        Raises:
            UserError: a label is missing or has another unit, or the cell is not valid.
        """
        where = self.where(index)
        stated_units.energy_unit(atoms.info, self.unit, where)
        stated_units.length_unit(atoms.info, self.length_unit, where)
        stated_units.check_forces_unit(atoms.info, self.unit, self.length_unit, where)
        if not self._labels:
            fill_labels(atoms, self._keys)
        energy, forces = labels_of(atoms, self._keys, where)
        atoms.positions *= self._length
        atoms.set_cell(atoms.cell.array * self._length)
        stress, remark = stress_label(atoms, self._keys, self._energy, self._length, where)
        if self.notes is None:
            self.notes = [*_notes(atoms, self._keys), *([] if remark is None else [remark])]
        check_cell(atoms.cell.array, atoms.pbc, where)
        frame = atoms_frame(atoms, energy * self._energy, forces * (self._energy / self._length))
        kind = atoms.info.get("config_type")
        return replace(
            frame,
            **_identity(atoms.info),
            stress=stress,
            config_type=str(kind)[:LONGEST_TYPE] if isinstance(kind, str | int | np.integer) else None,
        )


def atoms_frame(atoms: Atoms, energy: float, forces: np.ndarray) -> Frame:
    """Return a frame from ase's atoms and their labels.

    Args:
        atoms: the structure; ``fixed`` is 1 for atoms that a constraint fixes along all three axes.
        energy: in eV.
        forces: [N, 3], in eV/Å.
    """
    fixed = np.zeros(len(atoms), dtype=np.int64)
    for constraint in atoms.constraints:
        if is_kept(constraint):
            fixed[constraint.index] = 1
    return Frame(
        numbers=atoms.numbers.astype(np.int64),
        positions=atoms.positions.astype(np.float64),
        energy=energy,
        forces=forces,
        cell=np.array(atoms.cell, dtype=np.float64),
        pbc=np.array(atoms.pbc, dtype=bool),
        fixed=fixed,
        tags=atoms.get_tags().astype(np.int64),
    )


def is_kept(constraint: Any) -> bool:
    """Return whether a constraint fixes its atoms along all three axes; the atoms of others are free."""
    return isinstance(constraint, FixAtoms) or _fixes_all_axes(constraint)


def _fixes_all_axes(constraint: Any) -> bool:
    """Return whether a constraint per atom fixes all axes, as in extended XYZ with a mask for each axis."""
    return isinstance(constraint, FixCartesian | FixScaled) and bool(np.all(constraint.mask))


def _notes(atoms: Atoms, keys: LabelKeys) -> list[str]:
    """Return remarks on the labels of a structure, and on labels and constraints that are not read."""
    notes = doubtful_names(keys)
    results: dict[str, Any] = getattr(atoms.calc, "results", {})
    if others := other_labels(atoms, keys):
        notes.append(
            f"energies and forces are read under the names energy and forces; the file also has {', '.join(others)};"
            " --energy-key and --forces-key select others"
        )
    if others := sorted({type(c).__name__ for c in atoms.constraints if not is_kept(c)}):
        notes.append(
            f"constraints of type {', '.join(others)} are not kept: the atoms are free, and their forces are used"
        )
    if charged := [name for name in ("charge", "spin") if atoms.info.get(name)]:
        notes.append(
            f"{' and '.join(charged)} of structures are not kept: training and evaluation take them as 0, while "
            "predictions of a model of fairchem 2 that knows them take them as they are"
        )
    free = results.get("free_energy")
    if keys.energy is None and free is not None and not np.isclose(free, results["energy"], rtol=0, atol=1e-4):
        notes.append(
            f"energy ({results['energy']:.6g}) is read, not free_energy ({free:.6g}), from which the forces derive"
            " where electrons are smeared; --energy-key free_energy reads that"
        )
    return notes


def _identity(info: dict[str, Any]) -> dict[str, Any]:
    """Return OC20's numbers of system and frame if a structure has both, as integers of at least 0."""
    found = {key: info.get(key) for key in ("sid", "fid")}
    whole = {key: int(v) for key, v in found.items() if isinstance(v, int | np.integer) and v >= 0}
    return whole if len(whole) == 2 else {}
