"""Training by the stress, and the calculator of its checkpoint."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import ocp_dc
from ocp_dc.evaluation.metrics import error_metrics

from tests.helpers.fairchem2_runs import train
from tests.helpers.predictions import predict_labels
from tests.helpers.strained_crystals import write_crystals
from tests.helpers.stress_contract import StressContract

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    data = write_crystals(out, "aselmdb")
    done = train(out, "stress", data, "+loss=stress", "epochs=20", "lr=3e-3", "primary_metric=stress_mae")
    assert done.returncode == 0, done.stderr
    return out / "stress" / "results"


def test_the_error_falls(run: Path) -> None:
    """In physical units, on structures that were not trained on."""
    with (run / "validation.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    name = "stress_mae [eV/Å^3]"
    assert float(rows[-1][name]) < 0.5 * float(rows[0][name])
    assert float(rows[-1]["train_loss_stress"]) < 0.5 * float(rows[0]["train_loss_stress"])


def test_the_final_test_has_the_stress(run: Path) -> None:
    """With the numbers of an evaluation."""
    written = json.loads((run / "test.json").read_text())
    predictions = predict_labels(run / "best_inference_ckpt.pt", run.parents[1] / "data" / "test", cpu=True)
    found = error_metrics(predictions)
    for name in ("stress_mae", "stress_rmse"):
        assert written[name] == pytest.approx(found[name], rel=1e-4)
        assert written["units"][name] == "eV/Å³"


@pytest.fixture(scope="module")
def calculator(run: Path) -> Any:
    return ocp_dc.calculator(run / "best_inference_ckpt.pt", cpu=True)


class TestStress(StressContract):
    """On the checkpoint of the run."""
