"""Random access to the structures of one file that ase reads."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.db import connect
from ase.io import iread
from ase.io.formats import UnknownFileTypeError, filetype
from ase.io.trajectory import TrajectoryReader

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.data.ase_lmdb.atoms import row_atoms
from ocp_dc.data.ase_lmdb.reader import AseLmdbReader
from ocp_dc.data.ase_lmdb.writer import SUFFIX
from ocp_dc.data.frames import Frame
from ocp_dc.data.readers.declared_sizes import check_declared_sizes

SYMBOLS = chemical_symbols[1:]  # without X, ase's symbol of no element
NO_STRESS = [np.nan] * 6
Convert = Callable[[Atoms, int], Frame]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Reader(Protocol[T_co]):
    """Random access to the structures of one kind of file."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> T_co: ...

    def close(self) -> None:
        """Close the file."""
        ...


def open_reader(path: Path, convert: Convert, labels: bool = True) -> Reader[Frame]:
    """Open a file of structures; trajectories and databases are read by index, other files at once.

    Args:
        path: the file.
        convert: makes a frame from ase's atoms and their number in the file.
        labels: refuse formats that hold no energies.

    Raises:
        UserError: the file is not valid, or ``convert`` raises it. The readers of ase raise other errors.
    """
    indexed = open_indexed(path, convert)
    return Table(iterate_text(path, labels), convert, str(path)) if indexed is None else indexed


def iterate_text(path: Path, labels: bool, first: int = 0) -> Iterator[Atoms]:
    """Yield the structures of a file that cannot be read by index, one at a time, from number ``first`` on.

    Args:
        path: the file.
        labels: refuse formats that hold no energies.
        first: the number of the first structure.

    Raises:
        UserError: the file declares more than it can hold, or holds no energies. The readers of ase raise other errors.
    """
    check_declared_sizes(path, _kind(path), labels)
    return iread(str(path), f"{first}:", do_not_split_by_at_sign=True)


def open_indexed(path: Path, convert: Callable[[Atoms, int], T]) -> Reader[T] | None:
    """Open a trajectory or a database; None for files of other kinds.

    Args:
        path: the file.
        convert: converts ase's atoms, given their number in the file.
    """
    kind = _kind(path)
    if kind == "traj":
        return _Trajectory(path, convert)
    if path.suffix == SUFFIX:
        return _AseLmdb(path, convert)
    if kind == "db" or (kind == "json" and path.suffix == ".json"):
        return _Database(path, convert)
    return None


def _kind(path: Path) -> str:
    try:
        return str(filetype(str(path)))
    except UnknownFileTypeError:
        return path.suffix.removeprefix(".")  # ase recognizes the backends of databases by suffix only


def first_structure(path: Path) -> Atoms:
    """Return the first structure of a file as ase reads it, without reading a text file to its end.

    Raises:
        UserError: the file is not valid, or holds no structure.
    """
    found: list[Atoms] = []

    def keep(atoms: Atoms, index: int) -> Frame:
        found.append(atoms)
        raise _FirstFound

    try:
        reader = open_reader(path, keep)
        with closing(reader):
            if len(reader):
                reader[0]
    except UserError:
        raise
    except Exception as error:  # each reader of ase raises different errors
        if not found:
            raise unreadable(str(path), error) from error
    if not found:
        raise UserError(f"{path}: holds no structures; expected at least one")
    return found[0]


class _FirstFound(Exception):
    """The first structure is found."""


def unreadable(where: str, error: Exception) -> UserError:
    """Return the error for the user for an error from one of ase's readers."""
    symbol = error.args[0] if isinstance(error, KeyError) and error.args else None
    if isinstance(symbol, str) and symbol.isalpha() and len(symbol) <= 3 and symbol not in SYMBOLS:
        return UserError(
            f"{where}: unknown element symbol {symbol!r}; expected one of the periodic table.{nearest(symbol, SYMBOLS)}"
        )
    return UserError(f"{where}: ase cannot read it ({type(error).__name__}: {error})")


class _Trajectory(Generic[T]):
    def __init__(self, path: Path, convert: Callable[[Atoms, int], T]) -> None:
        self._convert = convert
        self._trajectory = TrajectoryReader(str(path))

    def __len__(self) -> int:
        return len(self._trajectory)

    def __getitem__(self, index: int) -> T:
        return self._convert(self._trajectory[index], index)

    def close(self) -> None:
        self._trajectory.close()


class _Database(Generic[T]):
    def __init__(self, path: Path, convert: Callable[[Atoms, int], T]) -> None:
        self._convert = convert
        self._database = connect(str(path), use_lock_file=False)
        # Rows are numbered from 1, with gaps where some were deleted.
        self._ids = [row.id for row in self._database.select(columns=["id"], include_data=False)]

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> T:
        row = self._database.get(id=self._ids[index])
        atoms = row.toatoms()
        atoms.info.update({**row.get("data", {}), **row.key_value_pairs})
        return self._convert(atoms, index)

    def close(self) -> None:
        close = getattr(self._database, "close", None)  # only some backends have it
        if close is not None:
            close()


class _AseLmdb(Generic[T]):
    """The rows of an aselmdb file, read as data; ase would write a lock file beside it."""

    def __init__(self, path: Path, convert: Callable[[Atoms, int], T]) -> None:
        self._convert = convert
        self._reader = AseLmdbReader(path)

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> T:
        return self._convert(row_atoms(self._reader.row(index), self._reader.where(index)), index)

    def close(self) -> None:
        self._reader.close()


class Table:
    """Structures of any size in flat arrays, which take a quarter of the memory of Frames."""

    def __init__(self, structures: Iterable[Atoms], convert: Convert, name: str) -> None:
        self._ends = array("q", [0])  # the end of the atoms of each frame
        self._labels = array("d")  # 16 numbers per frame: energy, cell, stress (NaN for None)
        self._pbc = array("b")  # 3 numbers per frame
        self._vectors = array("d")  # 6 numbers per atom: position, forces
        self._codes = array("i")  # 3 numbers per atom: atomic number, fixed, tag
        self._identities = array("q")  # 2 numbers per frame: sid (-1 for None) and fid
        self._config_types: list[str | None] = []
        try:
            for index, atoms in enumerate(structures):
                self._append(convert(atoms, index))
        except (UserError, _FirstFound):
            raise
        except Exception as error:
            raise unreadable(f"{name}: frame {len(self)}", error) from error

    def _append(self, frame: Frame) -> None:
        self._ends.append(self._ends[-1] + frame.natoms)
        stress = NO_STRESS if frame.stress is None else frame.stress
        self._labels.extend([frame.energy, *frame.cell.ravel(), *stress])
        self._pbc.extend(frame.pbc.tolist())
        self._identities.extend([-1 if frame.sid is None else frame.sid, frame.fid])
        self._config_types.append(None if frame.config_type is None else sys.intern(frame.config_type))
        self._vectors.frombytes(np.hstack([frame.positions, frame.forces]).tobytes())
        codes = np.column_stack([frame.numbers, frame.fixed, frame.tags])
        self._codes.frombytes(codes.astype(np.intc).tobytes())

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> Frame:
        atoms = slice(self._ends[index], self._ends[index + 1])
        label = np.frombuffer(self._labels).reshape(-1, 16)[index]
        vectors = np.frombuffer(self._vectors).reshape(-1, 6)[atoms]
        sid, fid = self._identities[2 * index : 2 * index + 2]
        codes = np.frombuffer(self._codes, dtype=np.intc).reshape(-1, 3)[atoms].astype(np.int64)
        return Frame(
            numbers=codes[:, 0],
            positions=vectors[:, :3].copy(),
            energy=float(label[0]),
            forces=vectors[:, 3:].copy(),
            cell=label[1:10].reshape(3, 3).copy(),
            pbc=np.frombuffer(self._pbc, dtype=np.int8).reshape(-1, 3)[index].astype(bool),
            fixed=codes[:, 1],
            tags=codes[:, 2],
            sid=None if sid < 0 else sid,
            fid=fid,
            stress=None if np.isnan(label[10]) else label[10:].copy(),
            config_type=self._config_types[index],
        )

    def close(self) -> None:
        """Do nothing, as the arrays are in memory."""
