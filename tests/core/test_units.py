from __future__ import annotations

import contextlib

import pytest
from ase import units
from hypothesis import given
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.core.units import (
    ENERGY_UNITS,
    PRESSURE_UNITS,
    TIME_UNITS,
    energy_in_ev,
    length_in_angstrom,
    parse_energy,
    parse_pressure,
    parse_temperature,
    parse_time,
    positive_energy,
)

OF_ASE = {
    "eV": units.eV,
    "meV": units.eV / 1000,
    "kcal/mol": units.kcal / units.mol,
    "kJ/mol": units.kJ / units.mol,
    "hartree": units.Hartree,
    "Ha": units.Ha,
    "Ry": units.Ry,
}


def test_constants_are_those_of_ase() -> None:
    assert ENERGY_UNITS == OF_ASE


@pytest.mark.parametrize("unit", OF_ASE)
def test_units_in_any_case(unit: str) -> None:
    assert energy_in_ev(unit.upper()) == energy_in_ev(f" {unit.lower()} ") == OF_ASE[unit]


@pytest.mark.parametrize("unit", ["kcal/mill", "eV/atom", "", None, 3])
def test_unknown_unit_lists_what_there_is(unit: object) -> None:
    with pytest.raises(UserError, match=r"unknown energy unit .*kJ/mol"):
        energy_in_ev(unit)


def test_unknown_unit_names_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'kcal/mol'"):
        energy_in_ev("kcal/mill")


@pytest.mark.parametrize(
    ("spellings", "value"),
    [
        (("kcal", "kcal_mol", "kcal mol-1", "KCAL/MOL", "kcal/mole"), OF_ASE["kcal/mol"]),
        (("Hartree", "Eh", "au", "a.u."), OF_ASE["hartree"]),
        (("kJ", "kj_mol"), OF_ASE["kJ/mol"]),
    ],
)
def test_other_spellings_of_energies(spellings: tuple[str, ...], value: float) -> None:
    assert {energy_in_ev(spelling) for spelling in spellings} == {value}


@pytest.mark.parametrize(
    ("spellings", "value"),
    [
        (("Å", "A", "Ang", "angstrom", "Angstroms", "\u212b"), units.Angstrom),
        (("bohr", "Bohr", "a0", "au"), units.Bohr),
        (("nm", "nanometer"), units.nm),
        (("pm", "PM"), units.nm / 1000),
    ],
)
def test_lengths(spellings: tuple[str, ...], value: float) -> None:
    assert [length_in_angstrom(spelling) for spelling in spellings] == pytest.approx(
        [value] * len(spellings), rel=1e-15
    )


@pytest.mark.parametrize("unit", ["parsec", "", None, 1.0])
def test_unknown_length(unit: object) -> None:
    with pytest.raises(UserError, match=r"unknown length unit .*bohr, nm, pm"):
        length_in_angstrom(unit)


def test_published_scale() -> None:
    assert parse_energy("1e6 kcal/mol") == 1e6 * units.kcal / units.mol


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([*OF_ASE, ""]), st.sampled_from(["", " "]))
def test_numbers_in_any_notation(number: float, unit: str, space: str) -> None:
    assert parse_energy(f"{number!r}{space}{unit}") == number * OF_ASE.get(unit, 1.0)
    assert parse_energy(number) == number


@pytest.mark.parametrize("text", ["", "eV", "a few eV", "1 2 eV", "1e eV", "nan", "1.0.0", "--1", None, True, [1.0]])
def test_no_energy(text: object) -> None:
    with pytest.raises(UserError, match="kcal/mol"):
        parse_energy(text)


@given(st.text(max_size=20))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(UserError):  # any other error fails
        assert isinstance(parse_energy(text), float)


@pytest.mark.parametrize("value", [0, -1.0, "-1 eV", float("nan"), float("inf"), "1e999", "0 kcal/mol", "forces"])
def test_a_scale_is_above_zero(value: str | float) -> None:
    with pytest.raises(UserError, match=r"dataset\.scale: got"):
        positive_energy(value, "dataset.scale")


def test_a_scale_passes_through() -> None:
    assert positive_energy("25 meV", "scale") == 25 * OF_ASE["meV"]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SPACES = st.sampled_from(["", " ", "  ", "\t"])


@given(NUMBERS, SPACES, st.sampled_from(sorted(TIME_UNITS)), st.sampled_from(sorted(PRESSURE_UNITS)))
def test_quantities_are_read_as_they_are_written(number: float, space: str, time: str, pressure: str) -> None:
    assert parse_time(f"{space}{number!r}{space}{time}{space}", "time") == number * TIME_UNITS[time]
    assert parse_pressure(f"{number!r}{space}{pressure.upper()}", "pressure") == number * PRESSURE_UNITS[pressure]
    assert parse_temperature(f"{number!r}{space}k", "temperature") == parse_temperature(number, "temperature") == number


@given(st.text())
def test_any_other_text_is_a_mistake_of_the_user(text: str) -> None:
    for parse in (parse_time, parse_pressure, parse_temperature):
        with contextlib.suppress(UserError):
            assert abs(parse(text, "x")) < float("inf")


def test_times_and_pressures_agree_with_ase() -> None:
    assert parse_time("2 ps", "time") * units.fs == pytest.approx(2000 * units.fs)
    for text, expected in (("1 bar", units.bar), ("0.5GPa", 0.5 * units.GPa), ("2 atm", 2 * 101325 * units.Pascal)):
        assert parse_pressure(text, "pressure") * units.GPa == pytest.approx(expected)


@pytest.mark.parametrize(
    ("parse", "value", "message"),
    [
        (parse_time, "10", "--time: got '10', expected a time such as '10 ps' or '0.5fs'; add the unit: fs, ps, ns"),
        (parse_time, "10 sp", "got '10 sp', .*; units: fs, ps, ns"),
        (parse_time, "ps", "expected a time"),
        (parse_time, "1e999 fs", "expected a time"),
        (parse_pressure, 1.0, "add the unit: GPa, MPa, kbar, bar"),
        (parse_temperature, "20 C", "expected a temperature in K"),
        (parse_temperature, True, "expected a temperature in K"),
        (parse_temperature, float("nan"), "expected a temperature in K"),
    ],
)
def test_refused_quantities(parse, value, message) -> None:
    with pytest.raises(UserError, match=message):
        parse(value, "--time")
