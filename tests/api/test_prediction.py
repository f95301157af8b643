"""Errors and predictions of a run from Python. On both hosts."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import molecule

import ocp_dc
from ocp_dc.core.errors import UserError

from tests.helpers.api_runs import train


@pytest.fixture(scope="module")
def run(ethanol: Path, tmp_path_factory: pytest.TempPathFactory) -> ocp_dc.Run:
    return train(ethanol, tmp_path_factory.mktemp("prediction"), epochs=1)


def test_predictions_are_those_of_the_calculator(run: ocp_dc.Run) -> None:
    atoms = [molecule(name) for name in ("CH3CH2OH", "CH3OH", "C2H6")]
    found = ocp_dc.predict(run.best, atoms, batch_size=2, cpu=True)
    assert found["energy"].shape == (3,)
    calculator = run.calculator(cpu=True)
    energies, forces = zip(
        *((calculator.get_potential_energy(each), calculator.get_forces(each)) for each in atoms), strict=True
    )
    np.testing.assert_allclose(found["energy"], energies, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["forces"], np.concatenate(forces), rtol=0, atol=1e-4)
    alone = ocp_dc.predict(run.folder, atoms[1], cpu=True)
    np.testing.assert_allclose(alone["energy"], energies[1:2], rtol=0, atol=1e-4)
    with pytest.raises(UserError, match="structures: got none"):
        ocp_dc.predict(run.best, [])


def test_errors_of_a_run(run: ocp_dc.Run, ethanol: Path, tmp_path: Path) -> None:
    errors = run.evaluate(ethanol / "val", cpu=True)
    assert errors["energy_mae"] == pytest.approx(run.history["energy_mae"][-1], rel=1e-4)
    assert errors["forces_mae"] == pytest.approx(run.history["forces_mae"][-1], rel=1e-4)
    assert errors["n_structures"] == 10
    # any file with labels: those that it predicts itself
    atoms = molecule("CH3CH2OH")
    atoms.calc = run.calculator(cpu=True)
    atoms.get_forces()
    ase.io.write(tmp_path / "one.xyz", atoms)
    assert ocp_dc.evaluate(run.folder, tmp_path / "one.xyz", cpu=True)["forces_mae"] < 1e-6
