"""Search for energies, forces and stresses under the names used in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.units import stress_in_ev_per_cubed_angstrom

_ENERGY_NAME = re.compile(r"energ|toten|^(e|u0?|e0|etot|e_tot)$", re.IGNORECASE)
_FORCES_NAME = re.compile(r"force|^f$", re.IGNORECASE)
_QUANTITY = re.compile(r"total|toten|tot|energ(y|ies)|forces?|[-_ .]|^[ef]$", re.IGNORECASE)
_SPECIAL = re.compile(r"unit|free|kinetic|atomic|per_?atom|std|var|weight|mask", re.IGNORECASE)

_PER_ATOM = re.compile(r"per_?-?atom|/atom|_pa$", re.IGNORECASE)
_GRADIENT = re.compile(r"^(?!.*(neg|minus|^-)).*(grad|de_?dx|de_?dr)", re.IGNORECASE)


@dataclass(frozen=True)
class LabelKeys:
    """The names of the labels in a file; None is the default of the format.

    Attributes:
        energy: of energies.
        forces: of forces.
        stress: of stresses, positive under tension.
        virial: of virials, -V times the stress, in place of stresses.
        stress_units: the unit of stresses; None is the unit of energy per cubed unit of length.
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    virial: str | None = None
    stress_units: str | None = None

    def __post_init__(self) -> None:
        """Check the names and the unit.

        Raises:
            UserError: a name is empty or not a string, the unit is unknown, or stresses have two names.
        """
        if self.stress is not None and self.virial is not None:
            raise UserError(
                f"got --stress-key {self.stress} and --virial-key {self.virial}, expected one of them: a virial is -V "
                "times the stress"
            )
        if self.stress_units is not None:
            if self.virial is not None:
                raise UserError(
                    f"stress_units: got {self.stress_units!r} with --virial-key; a virial has the unit of the energies"
                )
            stress_in_ev_per_cubed_angstrom(self.stress_units)
        names = {"energy": self.energy, "forces": self.forces, "stress": self.stress, "virial": self.virial}
        for option, name in ((f"{label}_key", name) for label, name in names.items()):
            if name is not None and (not isinstance(name, str) or not name):
                raise UserError(f"{option}: got {name!r}, expected a name in the source, such as REF_energy")


def labels_of(atoms: Atoms, keys: LabelKeys, where: str) -> tuple[float, NDArray[np.float64]]:
    """Return the energy and the forces [N, 3] of ase's atoms, in the units of the file.

    Names are searched in the results of the calculator, then ``info``, then ``arrays``.

    Args:
        atoms: the structure; ``info`` includes the key-value pairs and the data of a database row.
        keys: the names; None is the result energy or forces of the calculator.
        where: the location of the structure for messages.

    Raises:
        UserError: a label is missing or has a wrong shape; the message lists the available and the likely names.
    """
    results: Mapping[str, Any] = getattr(atoms.calc, "results", {})
    everything = named_values(atoms)
    found = {
        "energy": results.get("energy") if keys.energy is None else everything.get(keys.energy),
        "forces": results.get("forces") if keys.forces is None else everything.get(keys.forces),
    }
    asked = {"energy": keys.energy, "forces": keys.forces}
    for name, value in found.items():
        key = asked[name]
        if value is None and key is not None:
            raise missing_name(everything, name, key, where)
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise UserError(_missing_labels(missing, _labels_only(everything), len(atoms), where))
    return _energy(found["energy"], keys.energy or "energy", where), _forces(
        found["forces"], keys.forces or "forces", len(atoms), where
    )


def named_values(atoms: Atoms) -> dict[str, Any]:
    """Return what a structure has, by name: the results of its calculator, then ``info``, then ``arrays``."""
    results: Mapping[str, Any] = getattr(atoms.calc, "results", {})
    return {**atoms.arrays, **atoms.info, **{k: v for k, v in results.items() if v is not None}}


def missing_name(values: Mapping[str, Any], label: str, key: str, where: str) -> UserError:
    """Return the error for a name that a structure does not have.

    Args:
        values: what it has, by name.
        label: energy, forces, stress or virial.
        key: the name.
        where: the location of the structure.
    """
    shown = shapes(_labels_only(values))
    return UserError(f"{where}: --{label}-key: {unknown_name('name', key, shown)} It has {describe_shapes(shown)}")


def fill_labels(atoms: Atoms, keys: LabelKeys) -> None:
    """Set the labels that ase's atoms do not have to NaN, in place, under the names that :func:`labels_of` reads."""
    results = {} if atoms.calc is None else atoms.calc.results
    missing = {"energy": np.nan, "forces": np.full((len(atoms), 3), np.nan)}
    for name, value in missing.items():
        key = getattr(keys, name)
        if key is None and results.get(name) is None:
            results[name] = value
        elif key is not None and results.get(key) is None and key not in {**atoms.info, **atoms.arrays}:
            atoms.info[key] = value
    if atoms.calc is None and results:
        atoms.calc = SinglePointCalculator(atoms, **results)


def other_labels(atoms: Atoms, keys: LabelKeys) -> list[str]:
    """Return the names of other energies and forces of a structure, if the user gave no names."""
    if keys.energy is not None or keys.forces is not None:
        return []
    held = shapes(_labels_only({**atoms.arrays, **atoms.info}))
    return [name for name in held if name in _candidates(held, (), _ENERGY_NAME)] + [
        name for name in held if name in _candidates(held, (len(atoms), 3), _FORCES_NAME)
    ]


def doubtful_names(keys: LabelKeys) -> list[str]:
    """Return remarks on given names that suggest other quantities: energies per atom, or gradients."""
    notes = []
    if keys.energy is not None and _PER_ATOM.search(keys.energy):
        notes.append(f"{keys.energy} sounds like energies per atom; it is read as the energy of each whole structure")
    if keys.forces is not None and _GRADIENT.search(keys.forces):
        notes.append(
            f"{keys.forces} sounds like gradients of the energy; it is read as forces, which are their negatives. "
            "Change the sign in the file"
        )
    return notes


def likely_pair(held: Mapping[str, tuple[int, ...]], energy: tuple[int, ...], forces: tuple[int, ...]) -> LabelKeys:
    """Return the names that most likely denote an energy and its forces, by name and shape.

    Args:
        held: the shape of each named array.
        energy: the shape of an energy; an additional last dimension of 1 is accepted.
        forces: the shape of forces.
    """
    energies, all_forces = _candidates(held, energy, _ENERGY_NAME), _candidates(held, forces, _FORCES_NAME)
    for e in energies:
        for f in all_forces:
            if _QUANTITY.sub("", e).lower() == _QUANTITY.sub("", f).lower():  # REF_energy and REF_forces
                return LabelKeys(e, f)
    return LabelKeys(energies[0] if energies else None, all_forces[0] if all_forces else None)


def shapes(values: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the real numbers and real arrays; other values are omitted."""
    arrays = {
        key: np.asarray(value) for key, value in values.items() if isinstance(value, int | float | np.ndarray | list)
    }
    return {key: array.shape for key, array in arrays.items() if array.dtype.kind in "iuf"}


def describe_shapes(held: Mapping[str, tuple[int, ...]]) -> str:
    """Return names and shapes as a list for a message."""
    return ", ".join(f"{key} {shape}" if shape else f"{key} (a number)" for key, shape in held.items()) or "no numbers"


def suggest_options(pair: LabelKeys, missing: list[str]) -> str:
    """Return the options for a likely pair, as a sentence for a message; empty if no name is likely."""
    options = [f"--{name}-key {key}" for name in missing if (key := getattr(pair, name)) is not None]
    return f". Likely meant: {' '.join(options)}" if options else ""


def _missing_labels(missing: list[str], values: Mapping[str, Any], atoms: int, where: str) -> str:
    held = shapes(values)
    pair = likely_pair(held, (), (atoms, 3))
    return (
        f"{where} has {' and '.join(f'no {name}' for name in missing)}; expected both on each structure, under the"
        " names energy and forces, or those of --energy-key and --forces-key. It has"
        f" {describe_shapes(held)}{suggest_options(pair, missing)}"
    )


def _labels_only(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in ("numbers", "positions", "sid", "fid")}


def _candidates(held: Mapping[str, tuple[int, ...]], shape: tuple[int, ...], name: re.Pattern[str]) -> list[str]:
    return [
        key
        for key, found in held.items()
        if name.search(key) and not _SPECIAL.search(key) and found in (shape, (*shape, 1))
    ]


def _energy(value: Any, key: str, where: str) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise UserError(
            f"{where}: {key} has shape {array.shape} and type {array.dtype}; expected one number, the energy"
        )
    return float(array.item())


def _forces(value: Any, key: str, atoms: int, where: str) -> NDArray[np.float64]:
    array = np.asarray(value)
    if array.shape != (atoms, 3) or array.dtype.kind not in "iuf":
        raise UserError(
            f"{where}: {key} has shape {array.shape} and type {array.dtype}; expected the forces, real numbers of shape"
            f" ({atoms}, 3)"
        )
    return array.astype(np.float64)
