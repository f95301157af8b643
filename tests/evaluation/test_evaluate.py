"""Evaluations of files without a host: labels of all kinds, by hand."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.io import write

from ocp_dc.core.errors import UserError
from ocp_dc.data.structures import open_structures
from ocp_dc.evaluation.evaluate import evaluate_structures
from ocp_dc.evaluation.predict import predict_labels
from ocp_dc.evaluation.saved_predictions import load_predictions

from tests.helpers.harmonic_predictor import Harmonic, clusters

ALL = ("energy", "forces", "stress")


@pytest.fixture
def src(tmp_path):
    """Clusters with labels of a well of another stiffness; some atoms are fixed, every third cluster has a stress."""
    frames = clusters(12)
    for index, atoms in enumerate(frames):
        found = Harmonic(3.0, properties=ALL).predict([atoms])
        results = {"energy": found["energy"][0], "forces": found["forces"]}
        if index % 3 == 0:
            results["stress"] = found["stress"][0]
        if index % 4 == 0:
            atoms.set_constraint(FixAtoms([0]))
        atoms.calc = SinglePointCalculator(atoms, **results)
    write(tmp_path / "in.traj", frames)
    return tmp_path / "in.traj"


def test_errors_by_hand(src, tmp_path):
    found = evaluate_structures(Harmonic(2.0, properties=ALL), src, tmp_path / "out", progress=False)
    frames = clusters(12)
    squares = [(atoms.positions**2).sum() for atoms in frames]
    free = np.concatenate([np.arange(len(atoms)) >= (index % 4 == 0) for index, atoms in enumerate(frames)])
    components = 2 * np.concatenate([atoms.positions for atoms in frames])[free]
    assert found.metrics["energy_mae"] == pytest.approx(np.mean(squares))
    assert found.metrics["forces_mae"] == pytest.approx(np.mean(np.abs(components)))
    assert found.metrics["n_free_atoms"] == free.sum()
    # 1 eV/Å³ along the diagonal, nothing off it
    assert found.metrics["stress_mae"] == pytest.approx(0.5)
    assert found.metrics["stress_rmse"] == pytest.approx(np.sqrt(0.5))
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["units"]["stress_mae"] == "eV/Å³"
    loaded = load_predictions(tmp_path / "out" / "predictions.npz")
    np.testing.assert_array_equal(loaded.stress_pred, found.predictions.stress_pred)
    assert loaded.forces_std is None
    assert loaded.ids == [str(index) for index in range(12)]


def test_without_predicted_stresses_there_is_no_error_of_them(src, tmp_path):
    found = evaluate_structures(Harmonic(2.0), src, tmp_path / "out", progress=False)
    assert "stress_mae" not in found.metrics
    assert "stress_mae" not in found.metrics["units"]


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_the_size_of_a_batch_changes_nothing(src, batch_size):
    with closing(open_structures(src)) as source:
        predictor = Harmonic(2.0)
        found = predict_labels(predictor, source, batch_size, progress=False)
        whole = predict_labels(Harmonic(2.0), source, progress=False)
    assert max(map(len, predictor.sizes)) == min(batch_size, 12)
    np.testing.assert_allclose(found.energy_pred, whole.energy_pred)
    np.testing.assert_allclose(found.forces_pred, whole.forces_pred)


def test_a_checkpoint_without_forces(src):
    with (
        closing(open_structures(src)) as source,
        pytest.raises(UserError, match="the checkpoint predicts energy, but not forces"),
    ):
        predict_labels(Harmonic(1.0, properties=("energy",)), source, progress=False)


def test_an_evaluation_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "evaluation.json").write_text("{}")
    with pytest.raises(UserError, match="holds an evaluation already"):
        evaluate_structures(Harmonic(1.0), tmp_path / "nothing.xyz", tmp_path / "out")


def test_files_of_an_older_evaluation_are_removed(src, tmp_path):
    for name in ("calibration.png", "largest_spread.csv"):
        (tmp_path / name).write_text("old")
    evaluate_structures(Harmonic(2.0), src, tmp_path, progress=False)
    assert not (tmp_path / "calibration.png").exists()
    assert not (tmp_path / "largest_spread.csv").exists()
