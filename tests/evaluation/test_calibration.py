"""Calibration of ensembles whose errors are drawn with the spread that they state."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import rankdata

from ocp_dc.core.files import read_record
from ocp_dc.evaluation.calibration import Pairs, bins, calibration
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.evaluation.report import write_report

STRUCTURES, ATOMS = 4000, 3


@pytest.fixture(scope="module")
def honest() -> Predictions:
    """Errors are Gaussian, and their standard deviations are the spreads."""
    rng = np.random.default_rng(0)
    energy_std = rng.lognormal(-3, 1, STRUCTURES)
    forces_std = rng.lognormal(-2, 1, STRUCTURES * ATOMS)
    energy, forces = rng.normal(0, 1, STRUCTURES), rng.normal(0, 1, (STRUCTURES * ATOMS, 3))
    errors = rng.normal(0, 1, forces.shape) * forces_std[:, None] / np.sqrt(3)  # lengths have the mean square std²
    return Predictions(
        energy_true=energy,
        energy_pred=energy + rng.normal(0, 1, STRUCTURES) * energy_std,
        forces_true=forces,
        forces_pred=forces + errors,
        natoms=np.full(STRUCTURES, ATOMS),
        free=np.ones(STRUCTURES * ATOMS, dtype=bool),
        ids=[str(index) for index in range(STRUCTURES)],
        energy_std=energy_std,
        forces_std=forces_std,
    )


def test_honest_spreads(honest):
    found = calibration(honest)
    for name in ("energy", "forces"):
        assert found[name]["rmse_over_spread"] == pytest.approx(1, abs=0.1)
        assert 0.3 < found[name]["spearman"] < 0.95  # errors are random, even where spreads are exact


def test_spreads_that_are_too_small(honest):
    sure = dataclasses.replace(honest, energy_std=honest.energy_std / 4, forces_std=honest.forces_std / 4)
    before, after = calibration(honest), calibration(sure)
    for name in ("energy", "forces"):
        assert after[name]["rmse_over_spread"] == pytest.approx(4 * before[name]["rmse_over_spread"])
        assert after[name]["spearman"] == pytest.approx(before[name]["spearman"])


def test_the_rank_correlation_by_hand(honest):
    error = np.abs(honest.energy_pred - honest.energy_true)
    expected = np.corrcoef(rankdata(honest.energy_std), rankdata(error))[0, 1]
    assert calibration(honest)["energy"]["spearman"] == pytest.approx(expected)


def test_fixed_atoms_do_not_count(honest):
    free = np.arange(STRUCTURES * ATOMS) % 2 == 0
    wrong = np.where(free[:, None], honest.forces_pred, 1e6)
    found = calibration(dataclasses.replace(honest, free=free, forces_pred=wrong))
    assert found["forces"]["rmse_over_spread"] == pytest.approx(1, abs=0.1)
    error = np.linalg.norm(honest.forces_pred - honest.forces_true, axis=1)[free]
    expected = np.corrcoef(rankdata(honest.forces_std[free]), rankdata(error))[0, 1]
    assert found["forces"]["spearman"] == pytest.approx(expected)


def test_bins_are_root_mean_squares_of_equal_counts():
    spread, error = np.arange(20.0, 0, -1), np.repeat([2.0, 1.0], 10)
    found = bins(Pairs(spread, error))
    np.testing.assert_allclose(
        found.spread, [np.sqrt(np.mean(np.arange(1, 11) ** 2)), np.sqrt(np.mean(np.arange(11, 21) ** 2))]
    )
    np.testing.assert_allclose(found.error, [1.0, 2.0])


def test_equal_members_have_no_calibration_figure(honest):
    found = calibration(dataclasses.replace(honest, energy_std=np.zeros(STRUCTURES)))["energy"]
    assert np.isnan(found["rmse_over_spread"])
    assert np.isnan(found["spearman"])


def test_the_report(honest, tmp_path):
    metrics = write_report(honest, tmp_path, "honest")
    assert (tmp_path / "calibration.png").read_bytes().startswith(b"\x89PNG")
    assert read_record(tmp_path / "evaluation.json", "mend")["calibration"] == metrics["calibration"]
    lines = (tmp_path / "largest_spread.csv").read_text().splitlines()
    worst = int(np.argmax(honest.forces_std.reshape(STRUCTURES, ATOMS).max(axis=1)))
    assert len(lines) == 21
    assert lines[1].startswith(f"1,{worst},{worst},3,")


def test_zeros_are_left_out_of_the_picture(honest, tmp_path):
    write_report(dataclasses.replace(honest, energy_std=np.zeros(STRUCTURES)), tmp_path, "zeros")
    assert (tmp_path / "calibration.png").is_file()


def test_without_labels_there_is_no_calibration(honest, tmp_path):
    nothing = dataclasses.replace(
        honest, energy_true=np.full(STRUCTURES, np.nan), forces_true=np.full((STRUCTURES * ATOMS, 3), np.nan)
    )
    metrics = write_report(nothing, tmp_path, "no labels")
    assert "calibration" not in metrics
    assert {path.name for path in tmp_path.iterdir()} == {
        *("evaluation.json", "predictions.csv", "predictions.npz", "largest_spread.csv"),
    }
    assert metrics["ranges"]["energy_std [eV]"] == {
        "lowest": honest.energy_std.min(),
        "highest": honest.energy_std.max(),
    }
    assert read_record(tmp_path / "evaluation.json", "mend")["energy_mae"] is None
