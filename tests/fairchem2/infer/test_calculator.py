"""The ASE calculator of a checkpoint: molecules, slabs and crystals."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from fairchem.core.calculate.ase_calculator import FAIRChemCalculator

import ocp_dc
from ocp_dc.core.errors import UserError

from tests.helpers.atomic_batches import bulk, ethanol

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def calculator(checkpoint):
    return ocp_dc.calculator(checkpoint, cpu=True)


def slab() -> Atoms:
    """A layer of carbon with oxygen on it, periodic along two directions."""
    positions = [[0, 0, 5.0], [1.3, 0.8, 5.2], [0.2, 0.4, 6.5], [2.4, 0.1, 5.1]]
    return Atoms("CCOC", positions, cell=[[3.6, 0, 0], [0.7, 3.4, 0], [0, 0, 15.0]], pbc=[True, True, False])


@pytest.mark.parametrize("make", [ethanol, slab, bulk], ids=lambda make: make.__name__)
def test_equal_to_the_calculator_of_fairchem(calculator, checkpoint, make):
    atoms = make()
    stock = FAIRChemCalculator.from_model_checkpoint(str(checkpoint), inference_settings="traineval", device="cpu")
    energy, forces = calculator.get_potential_energy(atoms), calculator.get_forces(atoms)
    assert energy == pytest.approx(stock.get_potential_energy(atoms), abs=1e-5)
    np.testing.assert_allclose(forces, stock.get_forces(atoms), atol=1e-5)
    assert type(energy) is float
    assert calculator.get_potential_energy(atoms, force_consistent=True) == energy


@pytest.mark.parametrize("make", [ethanol, slab, bulk], ids=lambda make: make.__name__)
def test_forces_are_the_gradient(calculator, make):
    atoms, step = make(), 0.01
    forces = calculator.get_forces(atoms)[1]
    for axis in range(3):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[1, axis] += sign * step
            energies.append(calculator.get_potential_energy(moved))
        assert forces[axis] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=0.02 * np.abs(forces).max())


def test_the_stress_is_the_derivative_by_the_strain(calculator):
    atoms, step = bulk(), 0.002
    stress = calculator.get_stress(atoms)
    assert stress.shape == (6,)
    for voigt, (a, b) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * step / 2
            strain[b, a] += sign * step / 2
            moved = atoms.copy()
            moved.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            energies.append(calculator.get_potential_energy(moved))
        expected = (energies[0] - energies[1]) / (2 * step) / atoms.get_volume()
        assert stress[voigt] == pytest.approx(expected, abs=0.02 * np.abs(stress).max())


@pytest.mark.parametrize("make", [ethanol, slab], ids=lambda make: make.__name__)
def test_no_stress_without_three_periodic_directions(calculator, make):
    atoms = make()
    calculator.get_forces(atoms)
    assert "stress" not in calculator.results
    with pytest.raises(PropertyNotImplementedError, match="periodic along all three"):
        calculator.get_stress(atoms)


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        (Atoms(), "has no atoms"),
        (Atoms("OH", [[0, 0, 0], [0, 0, 0.01]]), "are 0.01 Å apart"),
        (Atoms("OH", [[0, 0, 0], [0, 0, np.nan]]), "NaN"),
        (Atoms("AuH", [[0, 0, 0], [0, 0, 1.6]]), "An element may be missing in the training data"),
    ],
)
def test_refused_structures_leave_no_results(calculator, atoms, words):
    calculator.get_potential_energy(ethanol())
    with pytest.raises(UserError, match=words):
        calculator.get_potential_energy(atoms)
    assert calculator.results == {}


def test_a_checkpoint_that_is_none(tmp_path):
    (tmp_path / "a.pt").write_text("no checkpoint")
    with pytest.raises(UserError, match=r"a\.pt: is a text file"):
        ocp_dc.calculator(tmp_path / "a.pt")
