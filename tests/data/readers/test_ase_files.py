from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import fcc111, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixCartesian, FixedLine
from ase.db import connect
from ase.io import write

from ocp_dc.core.errors import UserError
from ocp_dc.data.frames import Frame
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.readers.ase_files import AseSource
from ocp_dc.testing.tolerances import FLOAT32_LABEL

KINDS = ("extxyz", "traj", "db", "json", "aselmdb")


def structures() -> list[Atoms]:
    """Return a molecule and a slab with fixed atoms and tags, each with labels."""
    rng = np.random.default_rng(0)
    slab = fcc111("Cu", (1, 1, 3), vacuum=5.0)
    slab.set_constraint([FixAtoms([0, 2]), FixedLine(1, [0, 0, 1])])
    slab.pbc = [True, True, False]
    slab.info.clear()  # extended XYZ cannot write what fcc111 leaves there
    made = [molecule("CH3CH2OH"), slab, molecule("H2O")]
    for atoms in made:
        label(atoms, energy=rng.normal(), forces=rng.normal(size=(len(atoms), 3)))
    return made


def label(atoms: Atoms, **labels: object) -> Atoms:
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


def frame_of(path: Path, unit: str | None = None, index: int = 0) -> Frame:
    with closing(AseSource(path, unit)) as source:
        return source[index]


def save(path: Path, made: list[Atoms]) -> Path:
    if path.suffix in (".db", ".json", ".aselmdb"):
        database = connect(path)
        database.write(made[0])  # deleted below: the numbers of rows have gaps
        for atoms in made:
            database.write(atoms)
        del database[1]
        if path.suffix == ".aselmdb":
            database.close()
    else:
        write(path, made)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    made = structures()
    source = AseSource(save(tmp_path / f"a.{kind}", made))
    relative, absolute = FLOAT32_LABEL  # extended XYZ keeps eight decimals
    assert len(source) == 3
    for index in (2, 0, 1):
        frame, atoms = source[index], made[index]
        np.testing.assert_array_equal(frame.numbers, atoms.numbers)
        np.testing.assert_allclose(frame.positions, atoms.positions, rtol=relative, atol=absolute)
        np.testing.assert_allclose(frame.energy, atoms.calc.results["energy"], rtol=relative, atol=absolute)
        np.testing.assert_allclose(frame.forces, atoms.calc.results["forces"], rtol=relative, atol=absolute)
        np.testing.assert_array_equal(frame.pbc, atoms.pbc)
        np.testing.assert_array_equal(frame.tags, atoms.get_tags())
        assert frame.positions.dtype == frame.forces.dtype == np.float64
    source.close()


@pytest.mark.parametrize("kind", ["traj", "db"])
def test_fixed_atoms_keep_their_forces(tmp_path: Path, kind: str) -> None:
    made = structures()
    source = AseSource(save(tmp_path / f"a.{kind}", made))
    np.testing.assert_array_equal(source[1].fixed, [1, 0, 1])
    np.testing.assert_array_equal(source[1].forces, made[1].calc.results["forces"])
    assert not source[0].fixed.any()
    source.close()


def test_fixed_atoms_of_extended_xyz(tmp_path: Path) -> None:
    slab = structures()[1]
    slab.set_constraint(FixAtoms([0, 2]))
    write(tmp_path / "a.xyz", [slab], columns=["symbols", "positions", "forces", "move_mask", "tags"])
    np.testing.assert_array_equal(AseSource(tmp_path / "a.xyz")[0].fixed, [1, 0, 1])


def test_a_mask_for_each_axis_fixes_atoms_that_move_along_none(tmp_path: Path) -> None:
    """Extended XYZ writes one where some atoms are fixed and others move along some axes, and ase reads no FixAtoms."""
    slab = structures()[1]
    slab.set_constraint([FixAtoms([0]), FixCartesian(1, mask=(True, False, False))])
    write(tmp_path / "a.xyz", [slab], columns=["symbols", "positions", "forces", "move_mask", "tags"])
    source = AseSource(tmp_path / "a.xyz")
    np.testing.assert_array_equal(source[0].fixed, [1, 0, 0])
    assert "FixCartesian are not kept" in " ".join(source.notes())


def test_charge_and_spin_are_not_kept_which_is_said(tmp_path: Path) -> None:
    made = structures()[1]
    for charge, expected in ((0, 0), (1, 1)):
        made.info.update(charge=charge, spin=0)
        source = AseSource(save(tmp_path / f"{charge}.traj", [made]))
        assert source[0].natoms == len(made)
        text = "charge of structures are not kept: training and evaluation take them as 0"
        assert " ".join(source.notes()).count(text) == expected
        source.close()


def test_a_molecule_has_no_cell_and_a_slab_a_whole_one(tmp_path: Path) -> None:
    made = structures()
    made[1].cell[2] = 0.0
    label(made[1], energy=0.0, forces=np.zeros((3, 3)))
    source = AseSource(save(tmp_path / "a.traj", made))
    assert not source[0].cell.any()
    np.testing.assert_array_equal(source[1].cell[:2], made[1].cell[:2])
    assert abs(np.linalg.det(to_data(source[1], sid=0).cell[0].numpy())) > 1.0
    source.close()


def test_units_are_converted(tmp_path: Path) -> None:
    path = save(tmp_path / "a.extxyz", structures())
    plain, converted = AseSource(path), AseSource(path, "kcal/mol")
    assert converted.describe() == {"format": "ase", "units": "kcal/mol", "length_units": "Å"}
    assert plain.describe() == {"format": "ase", "units": "eV", "length_units": "Å"}
    factor = units.kcal / units.mol
    for index in range(3):
        assert converted[index].energy == plain[index].energy * factor
        np.testing.assert_array_equal(converted[index].forces, plain[index].forces * factor)
        np.testing.assert_array_equal(converted[index].positions, plain[index].positions)


@pytest.mark.parametrize("kind", ["extxyz", "traj", "db"])
@pytest.mark.parametrize("kept", ["energy", "forces", "neither"])
def test_a_frame_without_labels_is_named(tmp_path: Path, kind: str, kept: str) -> None:
    made = structures()
    made[1].calc.results = {key: value for key, value in made[1].calc.results.items() if key == kept}
    if kept == "neither":
        made[1].calc = None
    missing = {"energy": "no forces", "forces": "no energy", "neither": "no energy and no forces"}[kept]
    with pytest.raises(UserError, match=rf"a\.{kind}: frame 1 has {missing};"):  # noqa: PT012
        source = AseSource(save(tmp_path / f"a.{kind}", made))
        try:
            list(map(source.__getitem__, range(3)))
        finally:
            source.close()


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.xyz: no such file"):
        AseSource(tmp_path / "a.xyz")
    for name, content in {"a.xyz": "3\nProperties=none\nH 0 0\n", "b.traj": "text", "c.unknown": "text"}.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(UserError, match=rf"{name}: .*ase cannot read it"):
            AseSource(tmp_path / name)
    connect(tmp_path / "d.db").write(molecule("H2O"))
    del connect(tmp_path / "d.db")[1]
    with pytest.raises(UserError, match=r"d\.db: holds no structures"):
        AseSource(tmp_path / "d.db")
    with pytest.raises(UserError, match="unknown energy unit"):
        AseSource(tmp_path / "a.xyz", "furlong")


def test_an_unknown_element_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("1\n\nH 0 0 0\n1\n\nXx 0 0 0\n")
    with pytest.raises(UserError, match=r"a\.xyz: frame 0 has no energy"):
        AseSource(tmp_path / "a.xyz")
    header = "1\nProperties=species:S:1:pos:R:3:forces:R:3 energy=0.0\n"
    (tmp_path / "b.xyz").write_text(f"{header}H 0 0 0 0 0 0\n{header}Xx 0 0 0 0 0 0\n")
    with pytest.raises(UserError, match=r"b\.xyz: frame 1: unknown element symbol 'Xx'.*Did you mean 'Xe'"):
        AseSource(tmp_path / "b.xyz")


def test_a_cell_of_zeros_along_a_periodic_direction(tmp_path: Path) -> None:
    atoms = label(Atoms("H", pbc=True), energy=0.0, forces=np.zeros((1, 3)))
    write(tmp_path / "a.traj", [structures()[0], atoms])
    with pytest.raises(UserError, match=r"a\.traj: frame 1: periodic .*its cell vector 1 is zero"):
        frame_of(tmp_path / "a.traj", index=1)


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_converted_and_forces_with_them(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path / f"a.{kind}", structures())
    plain, converted = AseSource(path), AseSource(path, "hartree", "bohr")
    assert converted.describe() == {"format": "ase", "units": "hartree", "length_units": "bohr"}
    for index in range(3):
        assert converted[index].energy == plain[index].energy * units.Hartree
        np.testing.assert_allclose(converted[index].positions, plain[index].positions * units.Bohr, rtol=1e-14)
        np.testing.assert_allclose(converted[index].cell, plain[index].cell * units.Bohr, rtol=1e-14, atol=1e-12)
        np.testing.assert_allclose(
            converted[index].forces, plain[index].forces * units.Hartree / units.Bohr, rtol=1e-14
        )
    plain.close()
    converted.close()


@pytest.mark.parametrize("kind", ["extxyz", "traj", "db"])
def test_units_that_a_structure_states(tmp_path: Path, kind: str) -> None:
    atoms = structures()[0]
    atoms.info["energy_unit"] = "kcal/mol"
    path = tmp_path / f"a.{kind}"
    if kind == "db":
        connect(path).write(atoms, energy_unit="kcal/mol")
    else:
        write(path, atoms)
    assert frame_of(path, "kcal/mol").natoms == 9
    with pytest.raises(UserError, match=r"frame 0: its energy_unit says 'kcal/mol', but 'eV' would be used"):
        frame_of(path)


def test_a_lammps_dump_has_no_energies(tmp_path: Path) -> None:
    """ase gives each of its structures an energy of 0."""
    text = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 9\n0 9\n0 9\n"
    (tmp_path / "a.lammpstrj").write_text(f"{text}ITEM: ATOMS id type x y z fx fy fz\n1 1 0 0 0 0 0 0\n")
    with pytest.raises(UserError, match=r"a\.lammpstrj: a LAMMPS dump, which holds no energies"):
        AseSource(tmp_path / "a.lammpstrj")
