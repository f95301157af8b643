from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write

from ocp_dc.core.errors import UserError
from ocp_dc.data.frames import Frame
from ocp_dc.data.readers.ase_files import AseSource
from ocp_dc.data.readers.label_keys import LabelKeys, labels_of, likely_pair
from ocp_dc.data.readers.trajectories import AseFiles

FORCES = np.random.default_rng(0).normal(size=(3, 3))


def water(energy: str = "", forces: str = "", value: float = -2.0) -> Atoms:
    """Water with labels in info and arrays, under the given names."""
    atoms = molecule("H2O")
    if energy:
        atoms.info[energy] = value
    if forces:
        atoms.new_array(forces, FORCES)
    return atoms


def frame_of(path: Path, unit: str | None = None, keys: LabelKeys = LabelKeys(), index: int = 0) -> Frame:  # noqa: B008
    with closing(AseSource(path, unit, keys=keys)) as source:
        return source[index]


def save(path: Path, atoms: Atoms, energy: str, forces: str) -> Path:
    if path.suffix == ".db":
        connect(path).write(atoms, key_value_pairs={energy: atoms.info[energy]}, data={forces: atoms.arrays[forces]})
    else:
        write(path, atoms)
    return path


@pytest.mark.parametrize("kind", ["extxyz", "db"])  # a traj keeps no arrays but ase's own
@pytest.mark.parametrize(
    ("energy", "forces"), [("REF_energy", "REF_forces"), ("energy_dft", "forces_dft"), ("TotEnergy", "force")]
)
def test_other_names(tmp_path: Path, kind: str, energy: str, forces: str) -> None:
    path = save(tmp_path / f"a.{kind}", water(energy, forces), energy, forces)
    advice = f"frame 0 has no energy and no forces; .*It has .*--energy-key {energy} --forces-key {forces}$"
    with pytest.raises(UserError, match=advice):
        frame_of(path)
    frame = frame_of(path, keys=LabelKeys(energy, forces))
    assert frame.energy == -2.0
    np.testing.assert_allclose(frame.forces, FORCES, atol=1e-8)
    np.testing.assert_allclose(frame_of(path, "kcal/mol", LabelKeys(energy, forces)).energy, -0.0867282, atol=1e-7)
    with pytest.raises(UserError, match=f"--energy-key: unknown name 'x{energy}'.*Did you mean '{energy}'.* It has "):
        frame_of(path, keys=LabelKeys(f"x{energy}", forces))


def test_one_of_two_is_missing() -> None:
    atoms = water("REF_energy")
    atoms.calc = SinglePointCalculator(atoms, forces=FORCES)
    with pytest.raises(UserError, match=r"f has no energy; .*Likely meant: --energy-key REF_energy$"):
        labels_of(atoms, LabelKeys(), "f")
    assert labels_of(atoms, LabelKeys("REF_energy"), "f")[0] == -2.0


@pytest.mark.parametrize("one", [True, False])
def test_both_kinds_of_names_are_said_once(tmp_path: Path, one: bool) -> None:
    made = []
    for _ in range(2):
        made.append(water("REF_energy", "REF_forces"))
        made[-1].calc = SinglePointCalculator(made[-1], energy=-1.0, forces=np.zeros((3, 3)))
    path = tmp_path / "a.extxyz"
    write(path, made)
    source = AseSource(path) if one else AseFiles([path, path])
    assert [source[index].energy for index in range(2)] == [-1.0, -1.0]
    (note,) = source.notes()
    assert "REF_energy, REF_forces" in note
    assert AseSource(path, keys=LabelKeys("REF_energy", "REF_forces")).notes() == []


def test_free_energy_is_named_where_it_differs(tmp_path: Path) -> None:
    atoms = water()
    for free, notes in ((-1.0, 0), (-1.5, 1)):
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, free_energy=free, forces=FORCES)
        write(tmp_path / "a.traj", atoms)
        with closing(AseSource(tmp_path / "a.traj")) as source:
            assert source[0].energy == -1.0
            assert len(source.notes()) == notes
        assert frame_of(tmp_path / "a.traj", keys=LabelKeys(energy="free_energy")).energy == free


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ({"free_energy": (), "energy_ref": (), "f": (3, 3)}, ("energy_ref", "f")),
        ({"E": (), "dft_energy": (), "dft_forces": (3, 3), "F": (3, 3)}, ("E", "F")),
        ({"a_energy": (), "b_energy": (), "b_force": (3, 3)}, ("b_energy", "b_force")),
        ({"energy_std": (), "energies": (3,), "force_weight": (3, 3)}, (None, None)),
    ],
)
def test_likely_pair(held: dict[str, tuple[int, ...]], expected: tuple[str | None, str | None]) -> None:
    assert likely_pair(held, (), (3, 3)) == LabelKeys(*expected)


@pytest.mark.parametrize(
    ("energy", "forces", "message"),
    [
        (np.ones(3), FORCES, r"f: E has shape \(3,\).*expected one number"),
        ("text", FORCES, r"f: E has .*expected one number"),
        (1.0, np.ones(9), r"f: F has shape \(9,\).*shape \(3, 3\)"),
    ],
)
def test_labels_of_wrong_shape(energy: object, forces: object, message: str) -> None:
    atoms = molecule("H2O")
    atoms.info = {"E": energy, "F": forces}
    with pytest.raises(UserError, match=message):
        labels_of(atoms, LabelKeys("E", "F"), "f")


@pytest.mark.parametrize(
    ("energy", "forces", "said"),
    [
        ("energy_per_atom", "F", "per atom"),
        ("E_PerAtom", "F", "per atom"),
        ("E", "gradients", "gradients of the energy"),
        ("E", "dE_dx", "gradients of the energy"),
        ("E", "neg_grad", ""),
        ("E_total", "F", ""),
    ],
)
def test_names_that_say_something_else_are_noted(tmp_path: Path, energy: str, forces: str, said: str) -> None:
    path = save(tmp_path / "a.extxyz", water(energy, forces), energy, forces)
    with closing(AseSource(path, keys=LabelKeys(energy, forces))) as source:
        assert source[0].energy == -2.0
        notes = source.notes()
    assert len(notes) == (1 if said else 0)
    assert all(said in note for note in notes)


def test_the_unit_of_forces_that_a_frame_states(tmp_path: Path) -> None:
    atoms = water("E", "F")
    atoms.info["forces_unit"] = "hartree/bohr"
    path = save(tmp_path / "a.extxyz", atoms, "E", "F")
    with pytest.raises(UserError, match="frame 0: its forces_unit says 'hartree/bohr', but hartree/Å would be used"):
        frame_of(path, "hartree", LabelKeys("E", "F"))
    with closing(AseSource(path, "hartree", "bohr", LabelKeys("E", "F"))) as source:
        np.testing.assert_allclose(source[0].forces, FORCES * 51.4220675, rtol=1e-6)


@pytest.mark.parametrize(("keys", "option"), [({"energy": ""}, "energy_key"), ({"forces": ["forces"]}, "forces_key")])
def test_what_is_no_name(keys, option):
    with pytest.raises(UserError, match=rf"{option}: got .*, expected a name in the source"):
        LabelKeys(**keys)
