"""The checks of the stress of a calculator, the same on both hosts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_stress
from ase.filters import FrechetCellFilter
from ase.md.nptberendsen import NPTBerendsen
from ase.optimize import BFGS

from tests.helpers.strained_crystals import crystal


def numerical(atoms: Atoms) -> np.ndarray:
    """Return the stress [6] by ase's central differences of the energy."""
    return calculate_numerical_stress(atoms, eps=1e-3)


def check_derivative(calculator: Any) -> None:
    """Compare the stress of a model in single precision with central differences."""
    atoms = crystal(100)
    atoms.calc = calculator
    assert "stress" in calculator.implemented_properties
    stress = atoms.get_stress()
    assert stress.dtype == np.float64
    np.testing.assert_allclose(stress, numerical(atoms), atol=0.01 * np.abs(stress).max())


class StressContract:
    """A subclass has the fixture ``calculator`` of a model that was trained on strained crystals."""

    def test_derivative_of_the_energy(self, calculator: Any) -> None:
        check_derivative(calculator)

    def test_the_sign_is_that_of_the_labels(self, calculator: Any) -> None:
        """EMT's, which are ase's: positive under tension."""
        for factor, sign in ((0.97, -1), (1.04, 1)):
            atoms = bulk("Cu", cubic=True)
            atoms.set_cell(atoms.cell.array * factor, scale_atoms=True)
            for calc in (EMT(), calculator):
                atoms.calc = calc
                assert (sign * atoms.get_stress()[:3] > 0).all()

    def test_structures_without_a_stress(self, calculator: Any) -> None:
        """A slab or a molecule has none, in a batch with a crystal, too."""
        slab = crystal(0)
        slab.pbc = [True, True, False]
        molecule = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.3]])
        predictor = calculator.predictor
        alone = predictor.predict([crystal(1)])["stress"]
        found = predictor.predict([slab, crystal(1), molecule])["stress"]
        assert found.shape == (3, 6)
        assert np.isnan(found[[0, 2]]).all()
        np.testing.assert_allclose(found[1], alone[0], rtol=1e-3, atol=1e-5)
        assert np.isnan(predictor.predict([molecule])["stress"]).all()
        slab.calc = calculator
        assert np.isfinite(slab.get_potential_energy())
        with pytest.raises(PropertyNotImplementedError, match="periodic along all three vectors"):
            slab.get_stress()

    def test_relaxation_of_a_cell(self, calculator: Any) -> None:
        """It lowers the energy, and reaches its criterion for forces and stress."""
        atoms = crystal(101)
        atoms.calc = calculator
        before = atoms.get_potential_energy()
        with BFGS(FrechetCellFilter(atoms), logfile=None) as optimizer:
            assert optimizer.run(fmax=0.01, steps=200)
        assert atoms.get_potential_energy() < before - 0.01
        assert np.linalg.norm(atoms.get_forces(), axis=1).max() < 0.01
        assert np.abs(atoms.get_stress()).max() < 1e-3
        assert 3.4 < atoms.cell.volume ** (1 / 3) < 4.2

    def test_dynamics_at_constant_pressure(self, calculator: Any) -> None:
        """Under pressure the volume falls, and nothing flies apart."""
        atoms = crystal(102)
        atoms.calc = calculator
        deviations = np.sqrt(atoms.get_masses() * 100 * units.kB)[:, None]
        atoms.set_momenta(np.random.default_rng(0).normal(size=(len(atoms), 3)) * deviations)
        volumes = []
        for pressure in (0.0, 10.0):
            dynamics = NPTBerendsen(
                atoms,
                timestep=2 * units.fs,
                temperature_K=100,
                pressure_au=pressure * units.GPa,
                taut=50 * units.fs,
                taup=50 * units.fs,
                compressibility_au=1 / (140 * units.GPa),
            )
            dynamics.run(80)
            volumes.append(atoms.cell.volume)
        assert volumes[1] < 0.99 * volumes[0]
        assert np.isfinite(atoms.get_potential_energy())
