"""The training loop: the finite check of each step, the best weights, and what the test split is evaluated with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairchem.core.models.schnet import SchNetWrap

from ocp_dc.evaluation.metrics import error_metrics

from tests.helpers.predictions import predict_labels
from tests.helpers.runs import Run, run_main

# name, and how far the relative rounding of float32 errors goes
FORCES, ROUNDING = "forces_mae", 1e-4


def errors(run: Run, file: str, folder: Path) -> dict[str, float]:
    """Errors of a checkpoint by numpy, from predictions of our own inference."""
    return error_metrics(predict_labels(run.checkpoint(file), folder, cpu=True))


def test_the_test_split_is_evaluated_with_the_best_weights(
    tmp_path: Path, small_config: Callable[..., dict[str, Any]], ethanol: Path
) -> None:
    """No structure is ever within the threshold, and only an improvement counts: the first validation is the best."""
    metrics = {
        "metrics": {"forces": ["mae"], "misc": ["energy_forces_within_threshold"]},
        "primary_metric": "energy_forces_within_threshold",
    }
    run = run_main(tmp_path, small_config(evaluation_metrics=metrics, optim={"max_epochs": 4, "lr_initial": 0.01}))
    assert run.status == 0
    assert [float(row["efwt"]) for row in run.validations()] == [0.0] * 4
    best, last = (errors(run, f, ethanol / "test")[FORCES] for f in ("best_checkpoint.pt", "checkpoint.pt"))
    assert abs(best - last) > 100 * ROUNDING * best
    test = run.json("test.json")
    assert test["checkpoint"] == "best_checkpoint.pt"
    assert test[FORCES] == pytest.approx(best, rel=ROUNDING)
    assert errors(run, "best_checkpoint.pt", ethanol / "val")[FORCES] == pytest.approx(
        float(run.validations()[0]["forces_mae [eV/Å]"]), rel=ROUNDING
    )


def test_the_highest_cosine_similarity_is_the_best(
    tmp_path: Path, small_config: Callable[..., dict[str, Any]], ethanol: Path
) -> None:
    metrics = {"metrics": {"forces": ["mae", "cosine_similarity"]}, "primary_metric": "forces_cosine_similarity"}
    run = run_main(tmp_path, small_config(evaluation_metrics=metrics, optim={"max_epochs": 5}))
    assert run.status == 0
    values = [float(row["forces_cosine_similarity"]) for row in run.validations()]
    assert max(values) - min(values) > 0.01
    assert run.load()["best_val_metric"] == pytest.approx(max(values), rel=1e-9)
    found = errors(run, "best_checkpoint.pt", ethanol / "val")["forces_cosine"]
    assert found == pytest.approx(max(values), rel=ROUNDING)


def test_a_gradient_that_is_not_finite_ends_the_run_in_its_step(
    tmp_path: Path,
    small_config: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The square root of 0 is finite, and its gradient is not: from the third step on each loss is finite, too."""
    forward, steps = SchNetWrap.forward, iter(range(100))

    def with_a_root(self: SchNetWrap, data: Any) -> dict[str, torch.Tensor]:
        out = forward(self, data)
        if self.training and next(steps) >= 2:
            out["energy"] = out["energy"] + torch.sqrt(0 * self.lin2.bias.square().sum())
        return out

    monkeypatch.setattr(SchNetWrap, "forward", with_a_root)
    run = run_main(tmp_path, small_config(optim={"checkpoint_every": 1}))
    assert run.status == 1
    message = capsys.readouterr().err
    assert "training diverged at step 3: the gradient of lin2.bias is not finite" in message
    state = run.load()
    assert state["step"] == 2
    assert all(bool(value.isfinite().all()) for value in state["state_dict"].values())
    assert np.isfinite(state["loss_sums"]["loss"][0])
