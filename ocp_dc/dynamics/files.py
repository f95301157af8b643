"""Structures to simulate or relax, with momenta and constraints where their file has them."""

from __future__ import annotations

from pathlib import Path

from ase import Atoms
from ase.constraints import FixAtoms
from ase.io import iread
from ase.io.formats import UnknownFileTypeError, filetype, string2index

from ocp_dc.core.errors import UserError, bad_value
from ocp_dc.data.ase_lmdb.writer import SUFFIX as ASELMDB
from ocp_dc.data.frames import Frame
from ocp_dc.data.lmdb_file import LMDB
from ocp_dc.data.readers.ase_readers import unreadable
from ocp_dc.data.readers.declared_sizes import check_declared_sizes
from ocp_dc.data.structures import NPZ, check_exists, open_structures


def read_structure(path: str | Path, index: int = -1) -> Atoms:
    """Return one structure of a file; arguments and errors as of :func:`read_structures`."""
    (found,) = read_structures(path, str(index)).values()
    return found


def read_structures(path: str | Path, index: str = ":") -> dict[int, Atoms]:
    """Return structures of a file of ase, or of a data set, by their number.

    Args:
        path: a file that ase.io reads, from which momenta and constraints are taken; or an LMDB, aselmdb or npz file or
            a folder of them, from which fixed atoms are taken.
        index: one number, where -1 is the last structure, or a slice such as ``0:10``, as ase writes it.

    Raises:
        UserError: the file is missing or damaged, or has no structure of that number.
    """
    path = Path(path)
    try:
        chosen = string2index(index)
    except ValueError:
        chosen = index
    if isinstance(chosen, str):
        raise bad_value("index", index, "a number such as -1, or a slice such as 0:10")
    check_exists(path)
    is_data_set = path.is_dir() or path.suffix in (LMDB, NPZ, ASELMDB)
    found = _of_data_set(path, chosen) if is_data_set else _of_ase(path, chosen)
    if not found:
        raise UserError(f"{path}: has no structures {index}; expected at least one")
    for number, atoms in found.items():
        if not len(atoms):
            raise UserError(f"{path}: structure {number} has no atoms")
    return found


def _of_ase(path: Path, chosen: int | slice) -> dict[int, Atoms]:
    try:
        kind = filetype(str(path))
    except UnknownFileTypeError:
        kind = path.suffix.removeprefix(".")
    if kind != "traj":
        check_declared_sizes(path, kind, labels=False)
    # ase returns another structure for a negative number before the first: read as many as it counts from the end
    first = (
        slice(None) if isinstance(chosen, slice) else slice(chosen, None) if chosen < 0 else slice(chosen, chosen + 1)
    )
    try:
        found = list(iread(str(path), first, do_not_split_by_at_sign=True))
    except Exception as error:  # each reader of ase raises different errors
        raise unreadable(str(path), error) from error
    if isinstance(chosen, slice):
        return {number: found[number] for number in range(len(found))[chosen]}
    if len(found) != max(-chosen, 1):
        raise UserError(f"{path}: has no structure {chosen}; structures are numbered from 0, and from -1 backward")
    return {chosen: found[0]}


def _of_data_set(path: Path, chosen: int | slice) -> dict[int, Atoms]:
    source = open_structures(path, labels=False)
    try:
        numbers = range(len(source))[chosen] if isinstance(chosen, slice) else [range(len(source))[chosen]]
        return {number: _atoms(source[number]) for number in numbers}
    except IndexError:
        raise UserError(f"{path}: has {len(source)} structures, numbered from 0; got {chosen}") from None
    finally:
        source.close()


def _atoms(frame: Frame) -> Atoms:
    atoms = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc, tags=frame.tags)
    if frame.fixed.any():
        atoms.set_constraint(FixAtoms(mask=frame.fixed.astype(bool)))
    return atoms
