from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.constraints import FixAtoms

from ocp_dc.dynamics.velocities import degrees_of_freedom, set_velocities, temperature


def test_a_molecule_neither_moves_nor_turns():
    atoms = molecule("CH3CH2OH")
    assert not set_velocities(atoms, 300.0, np.random.default_rng(0))
    assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-12
    assert np.abs(atoms.get_angular_momentum()).max() < 1e-10


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [
        (molecule("CH3CH2OH"), 3 * 9 - 6),
        (molecule("CO2"), 3 * 3 - 5),
        (molecule("O2"), 1),
        (Atoms("Ar"), 3),
        (bulk("Cu", cubic=True), 3 * 4 - 3),
        (bulk("Cu"), 3),
    ],
    ids=lambda value: str(getattr(value, "symbols", value)),
)
def test_the_mean_temperature_over_the_seeds(atoms, expected):
    found = []
    for seed in range(800):
        each = atoms.copy()
        set_velocities(each, 300.0, np.random.default_rng(seed))
        freedom = degrees_of_freedom(each, conserves_momenta=True)
        assert freedom == expected
        found.append(temperature(each, freedom))
    error = 300 * np.sqrt(2 / expected / 800)  # of the mean: kinetic energies are distributed as chi squared
    assert np.mean(found) == pytest.approx(300, abs=4 * error)


def test_momenta_and_fixed_atoms_are_kept():
    atoms = molecule("H2O")
    atoms.set_velocities(np.ones((3, 3)))
    assert set_velocities(atoms, 300.0, np.random.default_rng(0))
    np.testing.assert_allclose(atoms.get_velocities(), 1)
    assert degrees_of_freedom(atoms, conserves_momenta=False) == 9

    atoms = molecule("CH4")
    atoms.set_constraint(FixAtoms([0]))
    set_velocities(atoms, 300.0, np.random.default_rng(0))
    assert not atoms.get_momenta()[0].any()
    assert degrees_of_freedom(atoms, conserves_momenta=True) == 12


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [(molecule("N2"), 1), (molecule("H2O"), 3), (bulk("Cu", cubic=True), 3 * 4 - 3), (Atoms("Ar"), 3)],
    ids=lambda value: str(getattr(value, "symbols", value)),
)
def test_a_structure_at_rest_neither_moves_nor_turns(atoms, expected):
    assert degrees_of_freedom(atoms, conserves_momenta=True) == expected
    assert degrees_of_freedom(atoms, conserves_momenta=False) == 3 * len(atoms)


def test_kinetic_energy_of_one_degree_of_freedom():
    atoms = Atoms("Ar", momenta=[[1.0, 0, 0]])
    kinetic = 1 / (2 * atoms.get_masses()[0])
    assert temperature(atoms, 1) == pytest.approx(2 * kinetic / units.kB)
