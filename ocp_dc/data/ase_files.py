"""Reader of whatever ase.io reads with energies and forces: extended XYZ, traj, ase databases, and so on."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms
from ase.db import connect
from ase.io import iread
from ase.io.formats import UnknownFileTypeError, filetype
from ase.io.trajectory import TrajectoryReader

from ocp_dc.data.frames import Frame
from ocp_dc.data.structure_check import check_cell
from ocp_dc.data.units import energy_in_ev
from ocp_dc.errors import UserError


class _Reader(Protocol):
    """Random access to the frames of one kind of file, before any conversion of units."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Frame: ...

    def close(self) -> None: ...


class AseSource:
    """The structures of a file that ase.io reads. Labels are the raw ones: no constraint is applied to the forces.

    Trajectories and databases are read by index; all else is read once into flat arrays, and ``in_memory`` is true.
    Where ``info`` (in databases the key-value pairs or the data) holds whole numbers ``sid`` and ``fid``, so do the
    frames.

    Args:
        path: the file.
        unit: the energy unit of the file; None is eV, ase's own. Lengths are in Å.

    Raises:
        UserError: the file is missing or unreadable, has no structures, or one without energy or forces.
    """

    def __init__(self, path: Path | str, unit: str | None = None) -> None:
        self.name = str(path)
        self.unit = unit or "eV"
        self._factor = energy_in_ev(self.unit)
        if not Path(path).is_file():
            raise UserError(f"{path}: no such file; expected a file that ase.io reads")
        try:
            self._reader = _open(Path(path))
            length = len(self._reader)
        except UserError:
            raise
        except Exception as error:  # each of ase's readers raises its own kinds
            raise UserError(f"{path}: ase cannot read it ({type(error).__name__}: {error})") from error
        if length == 0:
            raise UserError(f"{path}: holds no structures; expected at least one")
        self.in_memory = isinstance(self._reader, _Table)

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> Frame:
        frame = self._reader[index]
        return replace(frame, energy=frame.energy * self._factor, forces=frame.forces * self._factor)

    def describe(self) -> dict[str, object]:
        """Return format and unit."""
        return {"format": "ase", "units": self.unit}

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def _open(path: Path) -> _Reader:
    try:
        kind = filetype(str(path))
    except UnknownFileTypeError:
        kind = path.suffix.removeprefix(".")  # ase knows the backends of databases by their suffix only
    if kind == "traj":
        return _Trajectory(path)
    if kind in ("db", "aselmdb") or (kind == "json" and path.suffix == ".json"):
        return _Database(path)
    return _Table(iread(str(path), ":", do_not_split_by_at_sign=True), str(path))


def atoms_frame(atoms: Atoms, energy: float, forces: np.ndarray) -> Frame:
    """Return ase's atoms with labels as a frame.

    Args:
        atoms: the structure; FixAtoms constraints give ``fixed``.
        energy: in eV.
        forces: (n, 3), in eV/Å.
    """
    fixed = np.zeros(len(atoms), dtype=np.int64)
    for constraint in atoms.constraints:
        if isinstance(constraint, FixAtoms):
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


def _frame(atoms: Atoms, index: int, name: str) -> Frame:
    results: dict[str, Any] = getattr(atoms.calc, "results", {})
    missing = [key for key in ("energy", "forces") if results.get(key) is None]
    if missing:
        raise UserError(
            f"{name}: frame {index} has no {' and no '.join(missing)}; expected both on each structure, under the names"
            " energy and forces"
        )
    check_cell(atoms.cell.array, atoms.pbc, f"{name}: frame {index}")
    frame = atoms_frame(atoms, float(results["energy"]), np.asarray(results["forces"], dtype=np.float64))
    frame = replace(frame, **_identity(atoms.info))
    finite = all(np.isfinite(values).all() for values in (frame.positions, frame.energy, frame.forces))
    if not finite:
        raise UserError(f"{name}: frame {index} has NaN or infinite positions, energy or forces; take it out")
    return frame


def _identity(info: dict[str, Any]) -> dict[str, int]:
    """Return OC20's numbers of system and frame where a structure has both, as whole numbers from 0."""
    found = {key: info.get(key) for key in ("sid", "fid")}
    whole = {key: int(v) for key, v in found.items() if isinstance(v, int | np.integer) and v >= 0}
    return whole if len(whole) == 2 else {}


class _Trajectory:
    def __init__(self, path: Path) -> None:
        self._name = str(path)
        self._trajectory = TrajectoryReader(str(path))

    def __len__(self) -> int:
        return len(self._trajectory)

    def __getitem__(self, index: int) -> Frame:
        return _frame(self._trajectory[index], index, self._name)

    def close(self) -> None:
        self._trajectory.close()


class _Database:
    def __init__(self, path: Path) -> None:
        self._name = str(path)
        self._database = connect(str(path), use_lock_file=False)
        # Rows are numbered from 1, with gaps where some were deleted.
        self._ids = [row.id for row in self._database.select(columns=["id"], include_data=False)]

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Frame:
        row = self._database.get(id=self._ids[index])
        atoms = row.toatoms()
        atoms.info.update({**row.get("data", {}), **row.key_value_pairs})
        return _frame(atoms, index, self._name)

    def close(self) -> None:
        close = getattr(self._database, "close", None)  # only some backends keep the file open
        if close is not None:
            close()


class _Table:
    """Structures of any size in flat arrays, a quarter of what as many Frames take."""

    def __init__(self, structures: Iterable[Atoms], name: str) -> None:
        self._ends = array("q", [0])  # where the atoms of each frame end
        self._labels = array("d")  # 10 numbers a frame: energy, cell
        self._pbc = array("b")  # 3 numbers a frame
        self._vectors = array("d")  # 6 numbers an atom: position, forces
        self._codes = array("i")  # 3 numbers an atom: atomic number, fixed, tag
        self._identities = array("q")  # 2 numbers a frame: sid, -1 for none, and fid
        for index, atoms in enumerate(structures):
            frame = _frame(atoms, index, name)
            self._ends.append(self._ends[-1] + frame.natoms)
            self._labels.extend([frame.energy, *frame.cell.ravel()])
            self._pbc.extend(frame.pbc.tolist())
            self._identities.extend([-1 if frame.sid is None else frame.sid, frame.fid])
            self._vectors.frombytes(np.hstack([frame.positions, frame.forces]).tobytes())
            codes = np.column_stack([frame.numbers, frame.fixed, frame.tags])
            self._codes.frombytes(codes.astype(np.intc).tobytes())

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> Frame:
        atoms = slice(self._ends[index], self._ends[index + 1])
        label = np.frombuffer(self._labels).reshape(-1, 10)[index]
        vectors = np.frombuffer(self._vectors).reshape(-1, 6)[atoms]
        sid, fid = self._identities[2 * index : 2 * index + 2]
        codes = np.frombuffer(self._codes, dtype=np.intc).reshape(-1, 3)[atoms].astype(np.int64)
        return Frame(
            numbers=codes[:, 0],
            positions=vectors[:, :3].copy(),
            energy=float(label[0]),
            forces=vectors[:, 3:].copy(),
            cell=label[1:].reshape(3, 3).copy(),
            pbc=np.frombuffer(self._pbc, dtype=np.int8).reshape(-1, 3)[index].astype(bool),
            fixed=codes[:, 1],
            tags=codes[:, 2],
            sid=None if sid < 0 else sid,
            fid=fid,
        )

    def close(self) -> None:
        """Nothing is open: the arrays are in memory."""
