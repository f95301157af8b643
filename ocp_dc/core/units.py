"""Units of energy, length, time, pressure and stress, and the parsing of quantities such as ``"1e6 kcal/mol"``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ocp_dc.core.errors import UserError, bad_value, nearest, unknown_name

# CODATA 2014, the set that ase.units uses: written out so that the core needs no ase.
ENERGY_UNITS = {
    "eV": 1.0,
    "meV": 1e-3,
    "kcal/mol": 0.04336410390059322,
    "kJ/mol": 0.010364269574711572,
    "hartree": 27.211386024367243,
    "Ha": 27.211386024367243,
    "Ry": 13.605693012183622,
}
LENGTH_UNITS = {"Å": 1.0, "bohr": 0.5291772105638411, "nm": 10.0, "pm": 0.01}
TIME_UNITS = {"fs": 1.0, "ps": 1e3, "ns": 1e6}
PRESSURE_UNITS = {"GPa": 1.0, "MPa": 1e-3, "kbar": 0.1, "bar": 1e-4, "atm": 1.01325e-4, "Pa": 1e-9}
TEMPERATURE_UNITS = {"K": 1.0}
GPA = 0.006241509125883258  # in eV/Å³
# others of stress are an energy per cubed length, such as hartree/bohr^3
STRESS_UNITS = {"eV/Å^3": 1.0, **{name: value * GPA for name, value in PRESSURE_UNITS.items()}}
# other spellings in files, without spaces and in lower case
_ENERGY_ALIASES = {
    "kcal/mol": ("kcal", "kcal_mol", "kcalmol", "kcal/mole", "kcalmol-1", "kcalmol^-1", "kcal_per_mol"),
    "kJ/mol": ("kj", "kj_mol", "kjmol", "kj/mole", "kjmol-1", "kjmol^-1", "kj_per_mol"),
    "hartree": ("hartrees", "eh", "e_h", "au", "a.u."),
    "Ry": ("rydberg", "rydbergs"),
    "eV": ("electronvolt", "electron_volt"),
}
_LENGTH_ALIASES = {
    "Å": ("a", "ang", "angstrom", "angstroms", "\u00c5ngstr\u00f6m", "\u212b", "1e-10m"),
    "bohr": ("bohrs", "bohrradius", "a0", "a_0", "au", "a.u."),
    "nm": ("nanometer", "nanometers", "nanometre"),
    "pm": ("picometer", "picometers", "picometre"),
}
_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\D.*?)?\s*")


def energy_in_ev(unit: str) -> float:
    """Return the value of one ``unit`` of energy in eV.

    Args:
        unit: a key of ``ENERGY_UNITS`` in any case, or another common spelling, such as ``kcal_mol``.

    Raises:
        UserError: the unit is unknown; the message lists the units and names the nearest.
    """
    try:
        return _ENERGIES[_plain(unit)]
    except (KeyError, AttributeError):
        raise unknown_name("energy unit", unit, ENERGY_UNITS) from None


def length_in_angstrom(unit: str) -> float:
    """Return the value of one ``unit`` of length in Å.

    Args:
        unit: a key of ``LENGTH_UNITS`` in any case, or another common spelling, such as ``angstrom`` or ``a0``.

    Raises:
        UserError: the unit is unknown; the message lists the units and names the nearest.
    """
    try:
        return _LENGTHS[_plain(unit)]
    except (KeyError, AttributeError):
        raise unknown_name("length unit", unit, LENGTH_UNITS) from None


def stress_in_ev_per_cubed_angstrom(unit: str) -> float:
    """Return the value of one ``unit`` of stress in eV/Å³.

    Args:
        unit: a key of ``STRESS_UNITS`` in any case, or an energy per cubed length, such as ``hartree/bohr^3``.

    Raises:
        UserError: the unit is unknown; the message lists the units and names the nearest.
    """
    text = _plain(unit) if isinstance(unit, str) else ""
    pressures = {_plain(name): value for name, value in STRESS_UNITS.items()}
    if text in pressures:
        return pressures[text]
    energy, _, length = text.removesuffix("\N{SUPERSCRIPT THREE}").removesuffix("3").removesuffix("^").rpartition("/")
    if energy in _ENERGIES and length in _LENGTHS and length != text.rpartition("/")[2]:
        return _ENERGIES[energy] / _LENGTHS[length] ** 3
    raise unknown_name("unit of stress", unit, (*STRESS_UNITS, "ENERGY/LENGTH^3"))


def _plain(unit: str) -> str:
    return "".join(unit.split()).lower()


def _spellings(units: Mapping[str, float], aliases: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """Return the value of every spelling of the units, as :func:`_plain` writes it."""
    spelled = {_plain(name): value for name, value in units.items()}
    return spelled | {_plain(alias): units[name] for name, names in aliases.items() for alias in names}


_ENERGIES = _spellings(ENERGY_UNITS, _ENERGY_ALIASES)
_LENGTHS = _spellings(LENGTH_UNITS, _LENGTH_ALIASES)


def split_quantity(text: str) -> tuple[str, str] | None:
    """Return the number and the unit of a quantity as texts, the unit empty if there is none; None without a number."""
    found = _QUANTITY.fullmatch(text)
    return None if found is None else (found[1], found[2] or "")


def parse_energy(text: str | float) -> float:
    """Return an energy in eV.

    Args:
        text: a number in eV, or a string of a number and an optional unit, for example ``"1e6 kcal/mol"``.

    Raises:
        UserError: the text is not a number with an optional unit, or the unit is unknown.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    found = split_quantity(text) if isinstance(text, str) else None
    if found is None:
        raise UserError(
            f"got {text!r}, expected an energy: a number in eV, or a number and a unit such as '1e6 kcal/mol'."
            f" Units: {', '.join(ENERGY_UNITS)}.{nearest(text, ENERGY_UNITS)}"
        )
    number, unit = found
    return float(number) * (energy_in_ev(unit) if unit else 1.0)


def positive_energy(value: str | float, path: str) -> float:
    """Return an energy that is used as a scale, in eV.

    Args:
        value: an energy as :func:`parse_energy` takes it.
        path: the place of the value in the config, for messages.

    Raises:
        UserError: the value is not an energy, or is zero, negative, infinite or NaN.
    """
    try:
        energy = parse_energy(value)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if not (math.isfinite(energy) and energy > 0):
        raise UserError(f"{path}: got {value!r}, expected an energy above zero, for example '1e6 kcal/mol'")
    return energy


def parse_time(text: str, path: str) -> float:
    """Return a time in fs, such as ``"10ps"`` or ``"500 fs"``; arguments and errors as of :func:`_parse`."""
    return _parse(text, TIME_UNITS, path, "a time such as '10 ps' or '0.5fs'")


def parse_pressure(text: str, path: str) -> float:
    """Return a pressure in GPa, such as ``"1 bar"``; arguments and errors as of :func:`_parse`."""
    return _parse(text, PRESSURE_UNITS, path, "a pressure such as '1 bar' or '0.5GPa'")


def parse_temperature(text: str | float, path: str) -> float:
    """Return a temperature in K, such as ``"300 K"`` or 300; arguments and errors as of :func:`_parse`."""
    return _parse(text, TEMPERATURE_UNITS, path, "a temperature in K such as '300 K' or 300", default="K")


def _parse(
    text: str | float, units: Mapping[str, float], path: str, expected: str, default: str | None = None
) -> float:
    """Return a quantity in the unit whose value is 1.

    Args:
        text: a number and a unit, in any case.
        units: the value of each unit.
        path: the name of the quantity, for messages.
        expected: what is valid, in words.
        default: the unit of a number without one; None if a unit is required.

    Raises:
        UserError: the text is no finite number with a unit, or the unit is unknown.
    """
    found = None if isinstance(text, bool) else split_quantity(str(text))
    number, unit = found or ("nan", "")
    spelled = {name.lower(): value for name, value in units.items()}
    if not math.isfinite(float(number)):
        raise bad_value(path, text, expected)
    if not (unit or default):
        raise bad_value(path, text, expected, mend=f"add the unit: {', '.join(units)}")
    value = spelled.get((unit or str(default)).lower())
    if value is None:
        raise bad_value(path, text, expected, mend=f"units: {', '.join(units)}")
    return float(number) * value
