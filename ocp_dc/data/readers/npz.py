"""Reader of npz files in the layouts of MD17 and revised MD17."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocp_dc.core.errors import UnsafeDataError, UserError, unknown_name
from ocp_dc.core.units import energy_in_ev, length_in_angstrom
from ocp_dc.data.frames import Frame, molecule
from ocp_dc.data.readers import stated_units
from ocp_dc.data.readers.label_keys import LabelKeys, describe_shapes, doubtful_names, likely_pair, suggest_options
from ocp_dc.data.readers.npz_cell import unread_cell
from ocp_dc.data.safe_npz import load_npz, npz_shapes


class Layout(NamedTuple):
    """The names of the four arrays in a file."""

    numbers: str
    positions: str
    energies: str
    forces: str


LAYOUTS = {
    "md17": Layout("z", "R", "E", "F"),
    "rmd17": Layout("nuclear_charges", "coords", "energies", "forces"),
}


def npz_format(path: Path | str) -> str:
    """Return the layout of an npz file, a key of ``LAYOUTS``, from the names of its arrays.

    Raises:
        UserError: the file is missing or not an npz file, or has no atomic numbers and positions of a known layout.
    """
    held = npz_shapes(path)
    for format, layout in LAYOUTS.items():
        if layout.numbers in held and layout.positions in held:
            return format
    _check_archive(held, str(path))
    expected = "; or ".join(f"{', '.join(layout)} (--format {format})" for format, layout in LAYOUTS.items())
    raise UserError(f"{path}: has {describe_shapes(held)}; expected the arrays {expected}")


class NpzSource:
    """The frames of one molecule in an npz file, converted to Å, eV and eV/Å.

    Args:
        path: the file: numbers [N], positions [frames, N, 3], energies [frames] or [frames, 1], forces
            [frames, N, 3]. Other arrays are not read, except for strings that state units.
        format: a key of ``LAYOUTS``.
        unit: the energy unit of the file; None is the unit that the file states.
        length_unit: the unit of positions; None is the unit that the file states, else Å. Forces are energies
            per this length.
        keys: the names of energies and forces, if they differ from those of the layout.
        labels: labels must be there; otherwise those that are missing, or have no known unit, are NaN.

    Raises:
        UserError: the file is not an npz file, an array is missing, has a wrong shape or holds objects, or the unit is
            unknown, missing, or not the one that the file states.
    """

    def __init__(
        self,
        path: Path | str,
        format: str,
        unit: str | None = None,
        length_unit: str | None = None,
        keys: LabelKeys = LabelKeys(),  # noqa: B008 - immutable
        labels: bool = True,
    ) -> None:
        if format not in LAYOUTS:
            raise unknown_name("npz format", format, LAYOUTS)
        layout = LAYOUTS[format]
        if keys != LabelKeys(keys.energy, keys.forces):
            raise UserError(
                f"{path}: got options of a stress with an npz file, whose molecules have none; leave them out"
            )
        self._notes = doubtful_names(keys)
        layout = layout._replace(energies=keys.energy or layout.energies, forces=keys.forces or layout.forces)
        self.name = str(path)
        self.format = format
        if unit is not None:
            energy_in_ev(unit)  # refuse a misspelled unit before reading the file
        held = npz_shapes(path)
        if labels or not {layout.numbers, layout.positions} <= set(held):
            _check_names(held, layout, format, self.name)
        texts = _texts(path, [key for key in held if key.lower() in stated_units.NAMES])
        stated = stated_units.energy_unit(texts, unit, self.name)
        if stated is None and labels:
            raise UserError(
                f"{path}: does not say its energy unit, and none was given; expected --units eV, kcal/mol or another. "
                "Published MD17 files are in kcal/mol"
            )
        self.length_unit = stated_units.length_unit(texts, length_unit, self.name) or "Å"
        self.unit = stated or "eV"
        if stated is None and {layout.energies, layout.forces} & set(held):
            self._notes.append(f"{path}: does not say its energy unit: energies and forces are not read. Give --units")
        read = [key for key in layout if key in held and (stated or key in (layout.numbers, layout.positions))]
        stated_units.check_forces_unit(texts, self.unit, self.length_unit, self.name)
        energy, self._length = energy_in_ev(self.unit), length_in_angstrom(self.length_unit)
        self._force = energy / self._length
        arrays = load_npz(path, read)
        self._numbers = _numbers(arrays[layout.numbers], layout.numbers, self.name)
        self._positions = _vectors(arrays[layout.positions], layout.positions, len(self._numbers), self.name)
        shape = self._positions.shape
        arrays = {layout.energies: np.full(shape[0], np.nan), layout.forces: np.full(shape, np.nan), **arrays}
        self._forces = _vectors(arrays[layout.forces], layout.forces, len(self._numbers), self.name)
        energies = _energies(arrays[layout.energies], layout.energies, self.name)
        _check_lengths(
            {layout.positions: self._positions, layout.energies: energies, layout.forces: self._forces}, self.name
        )
        self._energies = energies.astype(np.float64) * energy
        self._notes += unread_cell(path, list(held), self[0].positions, self._length, self.name)

    def __len__(self) -> int:
        return len(self._energies)

    def __getitem__(self, index: int) -> Frame:
        positions = self._positions[index].astype(np.float64) * self._length
        forces = self._forces[index].astype(np.float64) * self._force
        return molecule(self._numbers, positions, self._energies[index], forces)

    def where(self, index: int) -> str:
        """Return the file and number of a structure."""
        return f"{self.name}: frame {index}"

    def notes(self) -> list[str]:
        """Return remarks on suspicious names, and on cells that are not read."""
        return self._notes

    def describe(self) -> dict[str, object]:
        """Return the format and the units."""
        return {"format": self.format, "units": self.unit, "length_units": self.length_unit}

    def close(self) -> None:
        """Do nothing, as the arrays are in memory."""


def _check_names(held: dict[str, tuple[int, ...]], layout: Layout, format: str, name: str) -> None:
    missing = [key for key in layout if key not in held]
    if not missing:
        return
    _check_archive(held, name)
    fitting = [other for other, arrays in LAYOUTS.items() if set(arrays) <= set(held)]
    hint = f". It has the layout of --format {fitting[0]}" if fitting else ""
    if not fitting and layout.numbers in held and layout.positions in held:
        frames, *rest = held[layout.positions] or (0,)
        pair = likely_pair(held, (frames,), (frames, *rest))
        unnamed = {"energy": layout.energies, "forces": layout.forces}
        hint = suggest_options(pair, [label for label, key in unnamed.items() if key in missing])
    raise UserError(
        f"{name}: no {', '.join(missing)}; it has {describe_shapes(held)}; --format {format} expects "
        f"{', '.join(layout)}{hint}"
    )


def _check_archive(held: dict[str, tuple[int, ...]], name: str) -> None:
    if packed := [key for key in held if key.endswith((".npz", ".xyz", ".extxyz", ".traj", ".db"))]:
        raise UserError(
            f"{name}: an archive of files ({', '.join(packed[:5])}{', ...' if len(packed) > 5 else ''}); expected one"
            " npz file. Unpack it, and give one of them"
        )


def _texts(path: Path | str, names: list[str]) -> dict[str, NDArray]:
    texts: dict[str, NDArray] = {}
    for name in names:
        with contextlib.suppress(UnsafeDataError):  # an array of Python objects is not a unit
            texts |= load_npz(path, [name])
    return texts


def _numbers(array: NDArray, key: str, name: str) -> NDArray:
    whole = array.ndim == 1 and array.size > 0 and array.dtype.kind in "iuf"
    if not (whole and np.all(array == np.round(array)) and array.min() >= 1 and array.max() <= 118):
        raise UserError(
            f"{name}: {key} has shape {array.shape} and type {array.dtype}; expected the atomic numbers of the"
            " molecule, shape (atoms,), whole numbers from 1 to 118"
        )
    return array.astype(np.int64)


def _vectors(array: NDArray, key: str, atoms: int, name: str) -> NDArray:
    if array.ndim != 3 or array.shape[1:] != (atoms, 3) or array.dtype.kind not in "iuf":
        raise UserError(
            f"{name}: {key} has shape {array.shape} and type {array.dtype}; expected real numbers of shape"
            f" (frames, {atoms}, 3), as there are {atoms} atomic numbers"
        )
    return array


def _energies(array: NDArray, key: str, name: str) -> NDArray:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise UserError(
            f"{name}: {key} has shape {array.shape} and type {array.dtype}; expected real numbers of shape"
            " (frames,) or (frames, 1)"
        )
    return array


def _check_lengths(arrays: dict[str, NDArray], name: str) -> None:
    lengths = {key: len(array) for key, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        listed = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise UserError(f"{name}: the arrays disagree on the number of frames ({listed}); expected one number")
    if not next(iter(lengths.values())):
        raise UserError(f"{name}: holds no frames; expected at least one")
