"""Stresses and virials of files: names, units, signs, and both layouts of data sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_stress
from ase.io import write
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from ocp_dc.core.errors import UserError
from ocp_dc.core.units import stress_in_ev_per_cubed_angstrom
from ocp_dc.data.ase_lmdb.reader import AseLmdbReader
from ocp_dc.data.convert import convert_dataset
from ocp_dc.data.oc20_lmdb.lmdb_reader import LmdbReader
from ocp_dc.data.oc20_lmdb.safe_pickle import loads
from ocp_dc.data.oc20_lmdb.sample_check import check_sample
from ocp_dc.data.prepare import prepare
from ocp_dc.data.readers.ase_files import AseSource
from ocp_dc.data.readers.label_keys import LabelKeys
from ocp_dc.data.sample import sample_path
from ocp_dc.data.structures import ReadOptions, open_structures

from tests.helpers.strained_crystals import crystal


def labeled(**labels: Any) -> Atoms:
    """Return a crystal of copper with an energy, forces and other labels in ``info``."""
    atoms = crystal(0)
    results = atoms.calc.results
    atoms.calc = None
    atoms.info.update({"REF_energy": results["energy"], **labels})
    atoms.arrays["REF_forces"] = results["forces"]
    return atoms


STRESS = crystal(0).get_stress()
VOLUME = crystal(0).cell.volume
VIRIAL = -VOLUME * voigt_6_to_full_3x3_stress(STRESS)  # as QUIP's and MACE's files have it


def read(path: Path, unit: str | None = None, length: str | None = None, **keys: Any) -> tuple[Any, list[str]]:
    names = {"energy": "REF_energy", "forces": "REF_forces", **keys}
    with closing(AseSource(path, unit, length, LabelKeys(**names))) as source:
        return source[0].stress, source.notes()


def test_the_sign_of_ase() -> None:
    """A frame's stress is ase's, which is the derivative of the energy by the strain, divided by the volume."""
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell.array * 1.03, scale_atoms=True)
    atoms.calc = EMT()
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms), atol=1e-6)
    assert (atoms.get_stress()[:3] > 0).all()  # under tension


@pytest.mark.parametrize(
    ("keys", "labels"),
    [
        ({"stress": "REF_stress"}, {"REF_stress": STRESS}),
        ({"stress": "REF_stress"}, {"REF_stress": voigt_6_to_full_3x3_stress(STRESS)}),
        ({"stress": "REF_stress"}, {"REF_stress": voigt_6_to_full_3x3_stress(STRESS).ravel()}),
        ({"stress": "REF_stress", "stress_units": "GPa"}, {"REF_stress": STRESS / units.GPa}),
        ({"stress": "REF_stress", "stress_units": "kbar"}, {"REF_stress": STRESS / units.GPa * 10}),
        ({"virial": "REF_virials"}, {"REF_virials": VIRIAL}),
        ({"virial": "REF_virials"}, {"REF_virials": full_3x3_to_voigt_6_stress(VIRIAL)}),
        ({"energy": None, "forces": None}, {}),  # the calculator's
        ({"energy": None, "forces": None, "stress": "stress"}, {}),
    ],
)
def test_names_and_shapes(tmp_path: Path, keys: dict[str, Any], labels: dict[str, Any]) -> None:
    atoms = crystal(0) if "energy" in keys else labeled(**labels)
    write(tmp_path / "a.xyz", atoms)
    found, notes = read(tmp_path / "a.xyz", **keys)
    np.testing.assert_allclose(found, STRESS, rtol=1e-6, atol=1e-9)
    assert not any("stress" in note or "virial" in note for note in notes)


@pytest.mark.parametrize(
    ("unit", "length", "stated"),
    [("kcal/mol", None, "kcal/mol/Å^3"), ("hartree", "bohr", "hartree/bohr^3"), ("Ha", "nm", "Ha/nm3")],
)
def test_units(tmp_path: Path, unit: str, length: str | None, stated: str) -> None:
    """A stress has the unit of energy per cubed length unless it has its own, a virial the unit of energy."""
    one = {"kcal/mol": units.kcal / units.mol, "hartree": units.Ha, "Ha": units.Ha}[unit]
    angstrom = {None: 1.0, "bohr": units.Bohr, "nm": units.nm}[length]
    atoms = labeled(s=STRESS / (one / angstrom**3), v=VIRIAL / one, pressure=STRESS / units.GPa)
    atoms.info["REF_energy"] /= one
    atoms.set_cell(atoms.cell.array / angstrom, scale_atoms=True)
    write(tmp_path / "a.xyz", atoms)
    for keys in (
        {"stress": "s"},
        {"stress": "s", "stress_units": stated},
        {"virial": "v"},
        {"stress": "pressure", "stress_units": "GPa"},
    ):
        found, _ = read(tmp_path / "a.xyz", unit, length, **keys)
        np.testing.assert_allclose(found, STRESS, rtol=1e-5, atol=1e-8)


def test_virials_without_a_key(tmp_path: Path) -> None:
    """QUIP's name, beside energies and forces under ase's names; a remark states the sign."""
    atoms = crystal(0)
    del atoms.calc.results["stress"]
    atoms.info["virial"] = VIRIAL
    write(tmp_path / "a.xyz", atoms)
    found, notes = read(tmp_path / "a.xyz", energy=None, forces=None)
    np.testing.assert_allclose(found, STRESS, rtol=1e-6, atol=1e-9)
    assert "virial is read as -V times the stress, with the volume V" in notes


def test_a_stress_of_other_energies_is_not_read(tmp_path: Path) -> None:
    """That of the calculator, where energies are read under another name; a remark names what there is."""
    atoms = labeled(REF_stress=STRESS)
    atoms.calc = crystal(1).calc
    write(tmp_path / "a.xyz", atoms)
    found, notes = read(tmp_path / "a.xyz")
    assert found is None
    assert any("--stress-key or --virial-key reads one, and the file has" in n and "REF_stress" in n for n in notes)


def test_not_periodic(tmp_path: Path) -> None:
    atoms = labeled(REF_stress=STRESS)
    atoms.pbc = False
    write(tmp_path / "a.xyz", atoms)
    found, notes = read(tmp_path / "a.xyz", stress="REF_stress")
    assert found is None
    assert any("REF_stress is not kept where a structure is not periodic" in note for note in notes)


@pytest.mark.parametrize(
    ("keys", "labels", "message"),
    [
        ({"stress": "a", "virial": "b"}, {}, r"--stress-key a and --virial-key b, expected one of them"),
        ({"stress": ""}, {}, r"stress_key: got ''"),
        ({"stress": "s", "stress_units": "GPA "}, {"s": [1.0, 2.0]}, r"s is \[1.0, 2.0\]; expected 6 or 3 by 3"),
        ({"stress": "s", "stress_units": "Gpas"}, {"s": STRESS}, r"Gpas.*Did you mean 'GPa'"),
        ({"virial": "v", "stress_units": "GPa"}, {}, r"a virial has the unit of the energies"),
        ({"stress": "REF_stres"}, {"REF_stress": STRESS}, r"--stress-key: .*Did you mean 'REF_stress'"),
        ({"virial": "REF_virial"}, {"REF_virials": VIRIAL}, r"--virial-key: .*Did you mean 'REF_virials'"),
        ({"stress": "s"}, {"s": np.arange(9.0).reshape(3, 3)}, r"expected a symmetric matrix"),
        ({"stress": "s"}, {"s": 1e4 * np.ones(6)}, r"stress: got 1e\+04 eV/Å³, expected at most 100"),
    ],
)
def test_mistakes(tmp_path: Path, keys: dict[str, Any], labels: dict[str, Any], message: str) -> None:
    write(tmp_path / "a.xyz", labeled(**labels))
    arguments = {f"{key}_key" if key != "stress_units" else key: value for key, value in keys.items()}
    with pytest.raises(UserError, match=message):
        prepare(
            tmp_path / "a.xyz",
            tmp_path / "out",
            format="ase",
            energy_key="REF_energy",
            forces_key="REF_forces",
            train=1,
            val=0,
            test=0,
            progress=False,
            **arguments,
        )


def test_units_of_stress() -> None:
    for text, value in (("GPa", units.GPa), ("kbar", 0.1 * units.GPa), ("ev/å^3", 1.0), ("hartree/bohr3", None)):
        expected = units.Ha / units.Bohr**3 if value is None else value
        assert stress_in_ev_per_cubed_angstrom(text) == pytest.approx(expected, rel=1e-6)
    for wrong in ("GPas", "eV/Å", "eV/Å^2", "eV", "", None):
        with pytest.raises(UserError, match="unit of stress"):
            stress_in_ev_per_cubed_angstrom(wrong)


def stored(path: Path) -> Iterator[Any]:
    reader = LmdbReader(path)
    for number in range(2):
        record = reader.get(str(number).encode())
        assert record is not None
        yield check_sample(loads(record, "here"), "here")
    reader.close()


@pytest.mark.parametrize("layout", ["oc20", "aselmdb"])
def test_both_layouts(tmp_path: Path, layout: str) -> None:
    """As written, and after a conversion to the other one."""
    made = [crystal(0), crystal(1)]
    write(tmp_path / "a.traj", made)
    options: dict[str, Any] = {"format": "ase", "val": 0, "test": 0, "progress": False}
    prepare(tmp_path / "a.traj", tmp_path / "out", train=2, to=layout, **options)
    other = {"oc20": "aselmdb", "aselmdb": "oc20"}[layout]
    convert_dataset(tmp_path / "out", tmp_path / "converted", progress=False)
    split = np.load(tmp_path / "out" / "split.npz")["train"]
    expected = [made[index].get_stress() for index in split]
    for folder, name in (("out", layout), ("converted", other)):
        path = tmp_path / folder / "train"
        if name == "oc20":
            found = [sample.stress for sample in stored(path / "data.lmdb")]
            assert all(stress.shape == (1, 3, 3) for stress in found)
            stresses = [full_3x3_to_voigt_6_stress(stress[0].double().numpy()) for stress in found]
        else:
            with AseLmdbReader(path) as reader:
                stresses = [frame.stress for frame in reader]
        np.testing.assert_allclose(stresses, expected, rtol=1e-6, atol=1e-9)
        with closing(open_structures(path)) as source:
            np.testing.assert_allclose([source[n].stress for n in range(2)], expected, rtol=1e-6, atol=1e-9)


def test_npz_files_have_no_stress() -> None:
    with pytest.raises(UserError, match="got options of a stress with an npz file"):
        open_structures(sample_path(), ReadOptions(stress_key="stress"))
