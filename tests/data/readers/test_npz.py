from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import units

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.data.readers.label_keys import LabelKeys
from ocp_dc.data.readers.npz import LAYOUTS, NpzSource

KCAL = units.kcal / units.mol
FRAMES, ATOMS = 4, 3


def arrays(format: str, **changes: Any) -> dict[str, Any]:
    """Return a file's arrays; ``changes`` replace some by the field names of Layout."""
    rng = np.random.default_rng(0)
    values = {
        "numbers": np.array([8, 1, 1], dtype=np.uint8),
        "positions": rng.normal(size=(FRAMES, ATOMS, 3)),
        "energies": rng.normal(-97_000.0, 1.0, size=FRAMES),
        "forces": rng.normal(size=(FRAMES, ATOMS, 3)).astype(np.float32),
    } | changes
    return {getattr(LAYOUTS[format], key): value for key, value in values.items()}


def write(path: Path, format: str = "rmd17", **changes: Any) -> Path:
    np.savez(path, **arrays(format, **changes))
    return path


def test_revised_layout(tmp_path: Path) -> None:
    path = write(tmp_path / "water.npz")
    source, stored = NpzSource(path, "rmd17", "kcal/mol"), arrays("rmd17")
    assert len(source) == FRAMES
    assert source.describe() == {"format": "rmd17", "units": "kcal/mol", "length_units": "Å"}
    frame = source[2]
    np.testing.assert_array_equal(frame.numbers, [8, 1, 1])
    np.testing.assert_array_equal(frame.positions, stored["coords"][2])
    assert frame.energy == stored["energies"][2] * KCAL
    np.testing.assert_array_equal(frame.forces, stored["forces"][2].astype(np.float64) * KCAL)
    assert frame.forces.dtype == frame.positions.dtype == np.float64
    assert not frame.pbc.any()
    assert not frame.cell.any()
    assert not frame.fixed.any()


@pytest.mark.parametrize("column", [False, True])
def test_original_layout_beside_object_arrays(tmp_path: Path, column: bool) -> None:
    stored = arrays("md17")
    energies = stored["E"]
    stored["E"] = energies[:, None] if column else energies
    path = tmp_path / "water.npz"
    np.savez(path, **stored, name="Water", theory=np.array([b"PBE"], dtype=object), type="d")
    source = NpzSource(path, "md17", "hartree")
    assert [source[i].energy for i in range(FRAMES)] == (energies * units.Hartree).tolist()


def test_the_other_layout_is_recognised(tmp_path: Path) -> None:
    for written, asked in (("md17", "rmd17"), ("rmd17", "md17")):
        path = write(tmp_path / f"{written}.npz", written)
        with pytest.raises(UserError, match=rf"{written}\.npz: no .*It has the layout of --format {written}"):
            NpzSource(path, asked, "eV")


def test_missing_array(tmp_path: Path) -> None:
    stored = arrays("rmd17")
    del stored["forces"]
    np.savez(tmp_path / "a.npz", **stored)
    with pytest.raises(
        UserError,
        match=r"no forces; it has nuclear_charges .3,., coords .4, 3, 3., energies .4,.; .*expects nuclear_charges",
    ):
        NpzSource(tmp_path / "a.npz", "rmd17", "eV")


WRONG = {
    "positions of two atoms": (
        {"positions": np.zeros((FRAMES, 2, 3))},
        r"coords has shape \(4, 2, 3\).*\(frames, 3, 3\)",
    ),
    "flat forces": ({"forces": np.zeros((FRAMES, 9))}, r"forces has shape \(4, 9\)"),
    "text": ({"forces": np.full((FRAMES, ATOMS, 3), "a")}, "forces has shape .* type <U1; expected real numbers"),
    "energies per atom": ({"energies": np.zeros((FRAMES, ATOMS))}, r"energies has shape \(4, 3\)"),
    "numbers per frame": ({"numbers": np.ones((FRAMES, ATOMS))}, r"nuclear_charges has shape \(4, 3\)"),
    "no such element": ({"numbers": np.array([8, 1, 0])}, "whole numbers from 1 to 118"),
    "half an element": ({"numbers": np.array([8, 1, 1.5])}, "whole numbers from 1 to 118"),
    "lengths": ({"energies": np.zeros(FRAMES + 1)}, "coords 4, energies 5, forces 4"),
    "no frames": (
        {"positions": np.zeros((0, 3, 3)), "energies": np.zeros(0), "forces": np.zeros((0, 3, 3))},
        "holds no frames",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arrays(tmp_path: Path, case: str) -> None:
    changes, message = WRONG[case]
    with pytest.raises(UserError, match=rf"a\.npz: .*{message}"):
        NpzSource(write(tmp_path / "a.npz", **changes), "rmd17", "eV")


def test_an_object_array_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", energies=np.zeros(FRAMES, dtype=object))
    with pytest.raises(UnsafeDataError, match="'energies' holds Python objects"):
        NpzSource(path, "rmd17", "eV")


def test_unknown_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz")
    with pytest.raises(UserError, match="Did you mean 'rmd17'"):
        NpzSource(path, "rmd_17", "eV")
    with pytest.raises(UserError, match="Did you mean 'kcal/mol'"):
        NpzSource(path, "rmd17", "kcal/mole/l")


def test_an_archive_of_npz_files(tmp_path: Path) -> None:
    write(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "a.npz", "rmd17/a.npz")
    with pytest.raises(UserError, match=r"all\.zip: an archive of files \(rmd17/a\.npz\); .*Unpack it"):
        NpzSource(tmp_path / "all.zip", "rmd17", "eV")


def test_names_of_energies_and_forces(tmp_path: Path) -> None:
    stored = arrays("rmd17")
    stored |= {"dft_energy": 2.0 * stored["energies"], "dft_forces": stored.pop("forces"), "note": "mine"}
    del stored["energies"]
    np.savez(tmp_path / "a.npz", **stored)
    message = r"no energies, forces; .*dft_energy \(4,\).*Likely meant: --energy-key dft_energy --forces-key dft_forces"
    with pytest.raises(UserError, match=message):
        NpzSource(tmp_path / "a.npz", "rmd17", "eV")
    source = NpzSource(tmp_path / "a.npz", "rmd17", "eV", keys=LabelKeys("dft_energy", "dft_forces"))
    assert source[1].energy == stored["dft_energy"][1]
    np.testing.assert_array_equal(source[1].forces, stored["dft_forces"][1])
    with pytest.raises(UserError, match=r"no dft_energi; it has .*dft_energy"):
        NpzSource(tmp_path / "a.npz", "rmd17", "eV", keys=LabelKeys("dft_energi", "dft_forces"))


def test_lengths_are_converted_and_forces_with_them(tmp_path: Path) -> None:
    path, stored = write(tmp_path / "a.npz"), arrays("rmd17")
    frame = NpzSource(path, "rmd17", "hartree", "bohr")[3]
    np.testing.assert_allclose(frame.positions, stored["coords"][3] * units.Bohr, rtol=1e-14)
    np.testing.assert_allclose(frame.forces, stored["forces"][3].astype(float) * units.Hartree / units.Bohr, rtol=1e-14)
    assert frame.energy == stored["energies"][3] * units.Hartree


def test_the_units_that_a_file_states(tmp_path: Path) -> None:
    path = tmp_path / "sgdml.npz"
    np.savez(path, **arrays("md17"), e_unit="kcal/mol", r_unit=np.bytes_("bohr"))
    source = NpzSource(path, "md17")
    assert source.describe() == {"format": "md17", "units": "kcal/mol", "length_units": "bohr"}
    assert source[0].energy == arrays("md17")["E"][0] * KCAL
    assert NpzSource(path, "md17", "KCAL_MOL", "a0").unit == "KCAL_MOL"
    with pytest.raises(
        UserError, match=r"sgdml\.npz: its e_unit says 'kcal/mol', but 'eV' would be used; .*Give --units"
    ):
        NpzSource(path, "md17", "eV")
    with pytest.raises(UserError, match=r"its r_unit says 'bohr', but 'Å' would be used; .*Give --length-units"):
        NpzSource(path, "md17", "kcal/mol", "Å")


def test_a_unit_that_nobody_knows(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays("md17"), e_unit="quux", r_unit=np.array(["Ang"], dtype=object))
    with pytest.raises(UserError, match=r"e_unit: unknown energy unit 'quux'.*Give it with --units"):
        NpzSource(tmp_path / "a.npz", "md17")
    assert NpzSource(tmp_path / "a.npz", "md17", "eV").length_unit == "Å"
    np.savez(tmp_path / "b.npz", **arrays("md17"))
    with pytest.raises(UserError, match="does not say its energy unit, and none was given"):
        NpzSource(tmp_path / "b.npz", "md17")


@pytest.mark.parametrize("unit", ["kcal/mol/Ang", "hartree / bohr", "eV/nm"])
def test_forces_of_another_unit_than_energies_and_lengths(tmp_path: Path, unit: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays("md17"), f_unit=unit)
    with pytest.raises(UserError, match=rf"a\.npz: its f_unit says '{unit}', but eV/Å would be used"):
        NpzSource(tmp_path / "a.npz", "md17", "eV")


@pytest.mark.parametrize("unit", ["eV/Angstrom", "(eV/A)", "1.6e-9 N", "eV"])
def test_forces_of_the_same_unit_or_of_none_that_is_known(tmp_path: Path, unit: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays("md17"), f_unit=unit)
    assert NpzSource(tmp_path / "a.npz", "md17", "eV")[0].forces.shape == (ATOMS, 3)


CRYSTAL = np.array([[1.5, 0.2, 0.0], [0.0, 1.6, 0.0], [0.0, 0.3, 1.7]])


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({"lattice": CRYSTAL}, "refused"),
        ({"cells": np.tile(CRYSTAL, (FRAMES, 1, 1)), "pbc": np.ones(3, dtype=bool)}, "refused"),
        ({"box": np.array([1.5, 1.6, 1.7])}, "refused"),
        ({"lattice": np.eye(3) * 40.0}, "noted"),
        ({"lattice": CRYSTAL, "pbc": np.zeros(3, dtype=bool)}, "read"),
        ({"cell": np.zeros((3, 3))}, "read"),
        ({"cell": np.array(["a"])}, "read"),
        ({"box": np.array([None])}, "read"),
    ],
)
def test_a_cell_is_not_passed_over(tmp_path: Path, more: dict[str, Any], outcome: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays("md17"), **more)
    if outcome == "refused":
        with pytest.raises(UserError, match=rf"has a cell \({next(iter(more))}\).*--format ase"):
            NpzSource(tmp_path / "a.npz", "md17", "eV")
        return
    notes = NpzSource(tmp_path / "a.npz", "md17", "eV").notes()
    assert [("lattice) is not read" in note) for note in notes] == ([True] if outcome == "noted" else [])
