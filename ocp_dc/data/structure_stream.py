"""Structures of a file of any kind as ase's atoms, one at a time, with everything else that the file says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.constraints import FixAtoms

from ocp_dc.core.errors import UserError
from ocp_dc.data.frames import Frame, FrameSource
from ocp_dc.data.readers.ase_files import FrameConverter
from ocp_dc.data.readers.ase_readers import Reader, iterate_text, open_indexed, unreadable
from ocp_dc.data.structure_check import check_structure
from ocp_dc.data.structures import ReadOptions, check_exists, open_structures, structure_format

PREFIX = "source_"  # of the names of the labels of the file
OWN = ("free_energy", "energy_std", "forces_std", *all_properties)  # names that predictions use


class Streamed(NamedTuple):
    """A structure of a stream.

    Args:
        where: its location, for messages.
        atoms: the structure in Å, without a calculator.
    """

    where: str
    atoms: Atoms


class StructureStream:
    """The structures of a file or a folder in their order, read as they are needed.

    ``info`` and ``arrays`` of files that ase reads are kept. Results of the file get the prefix ``source_``, so that
    they are not taken for predictions: ``info["source_energy"]`` in eV, ``arrays["source_forces"]`` in eV/Å,
    ``info["source_stress"]`` in eV/Å³, also of virials. Energies, forces and stresses that ``options`` names keep their
    names, and are converted to these units. All other results and entries keep the numbers of the file.

    Text files are read from their beginning. Only an index of the frames is kept in memory.

    Args:
        path: the file or the folder.
        options: what it does not say.

    Attributes:
        count: the number of structures; None for text files, which have to be read for it.

    Raises:
        UserError: the path is missing, or not valid.
    """

    def __init__(self, path: str | Path, options: ReadOptions = ReadOptions()) -> None:  # noqa: B008 - immutable
        self._path = Path(path)
        check_exists(self._path)
        self._options = replace(options, format=options.format or structure_format([self._path]))
        self._source: FrameSource | None = None
        self._reader: Reader[Streamed] | None = None
        if self._options.format != "ase" or self._path.is_dir():
            self._source = open_structures(self._path, self._options, labels=False)
            self.count: int | None = len(self._source)
            return
        options = self._options
        self._converter = FrameConverter(str(path), options.units, options.length_units, options.keys, labels=False)
        try:
            self._reader = open_indexed(self._path, self._converted)
            self.count = None if self._reader is None else len(self._reader)
        except UserError:
            raise
        except Exception as error:  # each reader of ase raises different errors
            raise unreadable(str(path), error) from error

    def structures(self, first: int = 0) -> Iterator[Streamed]:
        """Yield the structures from number ``first`` on.

        Raises:
            UserError: a structure cannot be read, or is not plausible.
        """
        index = first
        iterator = self._structures(first)
        while True:
            try:
                found = next(iterator, None)
            except UserError:
                raise
            except Exception as error:
                raise unreadable(f"{self._path}: frame {index}", error) from error
            if found is None:
                break
            atoms = found.atoms
            cell = atoms.cell.array if atoms.cell.array.any() else None
            check_structure(atoms.numbers, atoms.positions, cell, atoms.pbc, found.where)
            yield found
            index += 1
        if index == 0:
            raise UserError(f"{self._path}: holds no structures; expected at least one")

    def notes(self) -> list[str]:
        """Return remarks on the structures read so far."""
        return self._source.notes() if self._source is not None else self._converter.notes or []

    def close(self) -> None:
        """Close the files."""
        for each in (self._source, self._reader):
            if each is not None:
                each.close()

    def _structures(self, first: int) -> Iterator[Streamed]:
        if (source := self._source) is not None:
            return (Streamed(source.where(i), frame_to_atoms(source[i])) for i in range(first, len(source)))
        if (reader := self._reader) is not None:
            return (reader[i] for i in range(first, len(reader)))
        texts = iterate_text(self._path, labels=False, first=first)
        return (self._converted(atoms, index) for index, atoms in enumerate(texts, start=first))

    def _converted(self, atoms: Atoms, index: int) -> Streamed:
        results = dict(getattr(atoms.calc, "results", {}))
        frame = self._converter.frame(atoms, index)  # converts positions and cell in place
        atoms.calc = None
        labels = _labels(frame)
        keys = self._options.keys
        for label, key in (("energy", keys.energy), ("forces", keys.forces), ("stress", keys.stress)):
            place = results
            if key is not None and key not in results:
                place = atoms.info if key in atoms.info else atoms.arrays
            if label in labels:
                place[key or label] = labels[label]  # in eV and Å
            elif key is not None and label != "stress" and place is atoms.info:
                del place[key]  # the converter set it to NaN
        for place in (atoms.info, atoms.arrays):
            for name in [name for name in place if name in OWN]:
                place[PREFIX + name] = place.pop(name)
        _attach(atoms, results)
        return Streamed(self._converter.where(index), atoms)


def frame_to_atoms(frame: Frame) -> Atoms:
    """Return a frame as ase's atoms, with its labels as in a :class:`StructureStream`, and its numbers in ``info``."""
    atoms = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc, tags=frame.tags)
    if frame.fixed.any():
        atoms.set_constraint(FixAtoms(mask=frame.fixed.astype(bool)))
    if frame.sid is not None:
        atoms.info |= {"sid": frame.sid, "fid": frame.fid}
    _attach(atoms, _labels(frame))
    return atoms


def _labels(frame: Frame) -> dict[str, Any]:
    found: dict[str, Any] = {"energy": frame.energy, "forces": frame.forces, "stress": frame.stress}
    return {name: value for name, value in found.items() if value is not None and not np.isnan(value).any()}


def _attach(atoms: Atoms, results: Mapping[str, Any]) -> None:
    """Store results of a file under names with the prefix: per atom in ``arrays``, others in ``info``."""
    for name, value in results.items():
        if value is None:
            continue
        array = np.asarray(value)
        if array.ndim and name not in ("stress", "dipole") and len(array) == len(atoms):
            atoms.arrays[PREFIX + name] = array
        else:
            atoms.info[PREFIX + name] = array if array.ndim else array.item()
