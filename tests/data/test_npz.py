from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import units

from ocp_dc.data.npz import LAYOUTS, NpzSource
from ocp_dc.errors import UnsafeDataError, UserError

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
    assert source.describe() == {"format": "rmd17", "units": "kcal/mol"}
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
    with pytest.raises(UserError, match=r"no forces; got nuclear_charges, coords, energies; .*expects nuclear_charges"):
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


@pytest.mark.parametrize("field", ["positions", "energies", "forces"])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_the_first_frame_that_is_not_finite_is_named(tmp_path: Path, field: str, value: float) -> None:
    spoilt = arrays("rmd17")[getattr(LAYOUTS["rmd17"], field)].copy()
    spoilt[2:].flat[0] = value
    spoilt[3].flat[0] = value
    if spoilt.ndim == 1:
        spoilt[2:] = value
    with pytest.raises(UserError, match=rf"{field} of frame 2 are NaN or infinite \(2 such"):
        NpzSource(write(tmp_path / "a.npz", **{field: spoilt}), "rmd17", "eV")


def test_an_object_array_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", energies=np.zeros(FRAMES, dtype=object))
    with pytest.raises(UnsafeDataError, match="'energies' holds Python objects"):
        NpzSource(path, "rmd17", "eV")


def test_unknown_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz")
    with pytest.raises(UserError, match="Did you mean 'rmd17'"):
        NpzSource(path, "rmd_17", "eV")
    with pytest.raises(UserError, match="Did you mean 'kcal/mol'"):
        NpzSource(path, "rmd17", "kcalmol")
