"""Units that a file states, compared with those that the user gave."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ocp_dc.core.errors import UserError
from ocp_dc.core.units import energy_in_ev, length_in_angstrom

# sGDML's files have e_unit and r_unit; the others are common.
ENERGY_NAMES = ("e_unit", "energy_unit", "energy_units", "energies_unit", "units_energy", "unit_energy")
LENGTH_NAMES = (
    *("r_unit", "length_unit", "length_units", "distance_unit", "distance_units"),
    *("position_unit", "positions_unit", "coord_unit", "coords_unit", "units_length", "unit_length"),
)
FORCES_NAMES = ("f_unit", *(f"{name}_{unit}" for name in ("force", "forces") for unit in ("unit", "units")))
NAMES = frozenset((*ENERGY_NAMES, *LENGTH_NAMES, *FORCES_NAMES))


def energy_unit(values: Mapping[str, Any], given: str | None, where: str) -> str | None:
    """Return the energy unit of a file: the given unit, else the unit that the file states, else None.

    Args:
        values: the metadata of the file; only strings under ``ENERGY_NAMES``, in upper or lower case, are read.
        given: the user's unit, or a default; None takes the unit that the file states.
        where: the name of the file in messages.

    Raises:
        UserError: the file states another unit than the given one, or a unit is unknown.
    """
    return _agreed_unit(_stated_unit(values, ENERGY_NAMES), given, where, "--units", energy_in_ev)


def length_unit(values: Mapping[str, Any], given: str | None, where: str) -> str | None:
    """Return the length unit of a file; arguments and errors are those of :func:`energy_unit`."""
    return _agreed_unit(_stated_unit(values, LENGTH_NAMES), given, where, "--length-units", length_in_angstrom)


def check_forces_unit(values: Mapping[str, Any], energy: str, length: str, where: str) -> None:
    """Check that the unit of forces that a file states is the energy unit per length unit.

    A string that is not two known units separated by a slash is ignored.

    Args:
        values: the metadata of the file; only strings under ``FORCES_NAMES``, in upper or lower case, are read.
        energy: the energy unit in use.
        length: the length unit in use.
        where: the name of the file in messages.

    Raises:
        UserError: the units differ.
    """
    stated = _stated_unit(values, FORCES_NAMES)
    if stated is None:
        return
    key, text = stated
    of_energy, _, of_length = text.replace("(", "").replace(")", "").rpartition("/")
    try:
        own = energy_in_ev(of_energy) / length_in_angstrom(of_length)
    except UserError:
        return
    if not math.isclose(own, energy_in_ev(energy) / length_in_angstrom(length), rel_tol=1e-4):
        raise UserError(
            f"{where}: its {key} says {text!r}, but {energy}/{length} would be used: --units and --length-units "
            f"apply to energies, lengths and forces alike. Convert the forces or the others, or mend {key} in the file"
        )


def _stated_unit(values: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the name and the text of the unit that a file states, or None."""
    for key, value in values.items():
        if key.lower() in names:
            array = np.asarray(value)
            if array.size == 1 and array.dtype.kind in "US":
                text = array.item()
                return key, text.decode(errors="replace") if isinstance(text, bytes) else text
    return None


def _agreed_unit(
    stated: tuple[str, str] | None, given: str | None, where: str, option: str, value_of: Callable[[str], float]
) -> str | None:
    if given is not None:
        value = value_of(given)
    if stated is None:
        return given
    key, text = stated
    try:
        own = value_of(text)
    except UserError as error:
        if given is not None:
            return given  # the text of the file is not a known unit: use the user's
        raise UserError(f"{where}: {key}: {error} Give it with {option}") from None
    if given is None:
        return text
    if not math.isclose(own, value, rel_tol=1e-4):
        raise UserError(
            f"{where}: its {key} says {text!r}, but {given!r} would be used; expected the same unit. Give "
            f"{option} {text!r}, or mend {key} in the file"
        )
    return given
