from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule
from ase.data import covalent_radii

from ocp_dc.dynamics.watch import BondWatch, too_close


def test_bonds_of_a_molecule():
    bonds = BondWatch(molecule("CH3CH2OH"))
    assert bonds.pairs.shape == (2, 8)


def test_bonds_across_the_boundary_stay_whole():
    atoms = bulk("Cu", cubic=True)
    atoms.positions[0] += atoms.cell[1]  # into the next cell
    bonds = BondWatch(atoms)
    assert bonds.pairs.shape[1] == 24  # 12 neighbors of 4 atoms, each pair once
    np.testing.assert_allclose(bonds.lengths(atoms), 3.61 / np.sqrt(2) / (2 * covalent_radii[29]))
    moved = atoms.copy()
    moved.positions += 100.0  # not wrapped
    moved.set_cell(moved.cell * 1.1, scale_atoms=True)
    np.testing.assert_allclose(bonds.lengths(moved), 1.1 * bonds.lengths(atoms))


def test_the_longest_bond_breaks_at_twice_its_covalent_radii():
    atoms = Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [0, 0.96, 0]])
    bonds = BondWatch(atoms)
    reach = covalent_radii[8] + covalent_radii[1]
    atoms.positions[2] = [0, 1.99 * reach, 0]
    assert bonds.broken(atoms) is None
    atoms.positions[2] = [0, 2.01 * reach, 0]
    assert "the bond O0 and H2 is 1.95 Å long, 2.0 times" in str(bonds.broken(atoms))


def test_a_single_atom_has_no_bonds():
    assert BondWatch(Atoms("Ar")).broken(Atoms("Ar")) is None
    assert too_close(Atoms("Ar")) is None


def test_atoms_that_are_too_close_also_across_the_boundary():
    atoms = Atoms("C2", [[0, 0, 0], [0, 0, 0.62]], cell=[5, 5, 5], pbc=True)
    assert too_close(atoms) is None
    atoms.positions[1, 2] = 0.5
    assert too_close(atoms) == "atoms are too close: C0 and C1 are 0.50 Å apart"
    atoms.positions[1, 2] = 4.6
    assert "0.40 Å apart" in str(too_close(atoms))
