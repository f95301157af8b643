from __future__ import annotations

import contextlib

import pytest
from ase import units
from hypothesis import given
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.core.units import ENERGY_UNITS, energy_in_ev, length_in_angstrom, parse_energy, positive_energy

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
