from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.constraints import FixAtoms
from ase.io import write

from ocp_dc.core.errors import UserError
from ocp_dc.data.sample import sample_path
from ocp_dc.dynamics.files import read_structure, read_structures


@pytest.fixture
def waters():
    found = []
    for number in range(4):
        atoms = molecule("H2O")
        atoms.positions[0, 0] = number
        atoms.set_momenta(np.full((3, 3), 0.5))
        atoms.set_constraint(FixAtoms([1]))
        atoms.set_momenta(np.full((3, 3), 0.5), apply_constraint=False)
        found.append(atoms)
    return found


@pytest.mark.parametrize("name", ["a.xyz", "a.traj"])
def test_files_of_ase(tmp_path, waters, name):
    write(tmp_path / name, waters)
    last = read_structure(tmp_path / name)
    assert last.positions[0, 0] == 3
    np.testing.assert_allclose(last.get_momenta(), 0.5)
    assert last.constraints[0].index.tolist() == [1]
    assert list(read_structures(tmp_path / name)) == [0, 1, 2, 3]
    found = read_structures(tmp_path / name, "1::2")
    assert {number: atoms.positions[0, 0] for number, atoms in found.items()} == {1: 1, 3: 3}
    assert list(read_structures(tmp_path / name, "-2")) == [-2]
    for index in ("4", "-5", "4:"):
        with pytest.raises(UserError, match=f"has no structures? {index}"):
            read_structures(tmp_path / name, index)


def test_files_without_energies(tmp_path):
    atoms = Atoms("NaCl", [[0, 0, 0], [2.8, 0, 0]], cell=[5.6, 5.6, 5.6], pbc=True)
    write(tmp_path / "POSCAR", atoms, format="vasp")
    assert read_structure(tmp_path / "POSCAR").get_chemical_formula() == "ClNa"


def test_data_sets(ethanol):
    assert len(read_structures(ethanol / "val")) == 10
    atoms = read_structure(ethanol / "val" / "data.lmdb", 3)
    assert atoms.get_chemical_formula() == "C2H6O"
    assert list(read_structures(sample_path(), "5:7")) == [5, 6]
    with pytest.raises(UserError, match="has 10 structures, numbered from 0; got 10"):
        read_structure(ethanol / "val", 10)


def test_fixed_atoms_of_a_data_set(slabs):
    atoms = read_structure(slabs / "val", 0)
    (constraint,) = atoms.constraints
    np.testing.assert_array_equal(constraint.index, np.flatnonzero(atoms.get_tags() == 0))


@pytest.mark.parametrize("index", ["last", "1:x", "a:b"])
def test_an_index_that_is_none(tmp_path, waters, index):
    write(tmp_path / "a.xyz", waters)
    with pytest.raises(UserError, match="index: got "):
        read_structures(tmp_path / "a.xyz", index)


def test_files_that_are_none(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_structure(tmp_path / "a.xyz")
    (tmp_path / "a.xyz").write_text("nonsense\n\n")
    with pytest.raises(UserError, match=r"a\.xyz: ase cannot read it"):
        read_structure(tmp_path / "a.xyz")
    write(tmp_path / "b.traj", Atoms())
    with pytest.raises(UserError, match="structure -1 has no atoms"):
        read_structure(tmp_path / "b.traj")
