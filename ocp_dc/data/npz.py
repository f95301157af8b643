"""Readers of the MD17 and revised-MD17 npz layouts."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocp_dc.data.frames import Frame, check_finite, molecule
from ocp_dc.data.safe_npz import load_npz, npz_names
from ocp_dc.data.units import energy_in_ev
from ocp_dc.errors import UserError, unknown_name


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


class NpzSource:
    """The frames of one molecule in an npz file; lengths in Å, energies and forces converted to eV and eV/Å.

    Args:
        path: the file: numbers (atoms,), positions (frames, atoms, 3), energies (frames,) or (frames, 1), forces
            (frames, atoms, 3). Other arrays in it are not read.
        format: a key of ``LAYOUTS``.
        unit: the energy unit of the file.

    Raises:
        UserError: no npz file, arrays missing or of wrong shape, object arrays, NaN, infinity, an unknown unit.
    """

    def __init__(self, path: Path | str, format: str, unit: str) -> None:
        if format not in LAYOUTS:
            raise unknown_name("npz format", format, LAYOUTS)
        layout = LAYOUTS[format]
        self.name = str(path)
        self.format = format
        self.unit = unit
        self._factor = energy_in_ev(unit)
        _check_names(npz_names(path), format, self.name)
        arrays = load_npz(path, layout)
        self._numbers = _numbers(arrays[layout.numbers], layout.numbers, self.name)
        self._positions = _vectors(arrays[layout.positions], layout.positions, len(self._numbers), self.name)
        self._forces = _vectors(arrays[layout.forces], layout.forces, len(self._numbers), self.name)
        energies = _energies(arrays[layout.energies], layout.energies, self.name)
        _check_lengths(
            {layout.positions: self._positions, layout.energies: energies, layout.forces: self._forces}, self.name
        )
        check_finite(self._positions, "positions", self.name)
        check_finite(energies, "energies", self.name)
        check_finite(self._forces, "forces", self.name)
        self._energies = energies.astype(np.float64) * self._factor

    def __len__(self) -> int:
        return len(self._energies)

    def __getitem__(self, index: int) -> Frame:
        forces = self._forces[index].astype(np.float64) * self._factor
        return molecule(self._numbers, self._positions[index], self._energies[index], forces)

    def describe(self) -> dict[str, object]:
        """Return format and unit."""
        return {"format": self.format, "units": self.unit}

    def close(self) -> None:
        """Nothing is open: the arrays are in memory."""


def _check_names(names: list[str], format: str, name: str) -> None:
    missing = [key for key in LAYOUTS[format] if key not in names]
    if not missing:
        return
    fitting = [other for other, layout in LAYOUTS.items() if set(layout) <= set(names)]
    hint = f". It has the layout of --format {fitting[0]}" if fitting else ""
    raise UserError(
        f"{name}: no {', '.join(missing)}; got {', '.join(names) or 'no arrays'}; --format {format} expects"
        f" {', '.join(LAYOUTS[format])}{hint}"
    )


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
