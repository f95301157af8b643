"""Runs with ``optim.swa_start``: which weights are averaged, validated, kept as the best, and used for predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.optim_check import check_optim
from ocp_dc.fairchem1.trainer import DCTrainer

from tests.helpers.predictions import predict_labels
from tests.helpers.runs import Run, run_main

Config = Callable[..., dict[str, Any]]
Weights = dict[str, torch.Tensor]
OPTIM: dict[str, Any] = {"lr_initial": 3.0e-3, "max_epochs": 4, "swa_start": 0.5}  # epochs of four steps
SHOWN = "forces_mae [eV/Å]"


@pytest.fixture(scope="module")
def weights() -> Iterator[dict[int, Weights]]:
    """The weights after each step of the runs of this module."""
    found: dict[int, Weights] = {}
    backward = DCTrainer._backward

    def recorded(self: DCTrainer, loss: torch.Tensor) -> None:
        backward(self, loss)
        found[self.step] = {name: value.detach().double() for name, value in self.model.named_parameters()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DCTrainer, "_backward", recorded)
        yield found


@pytest.fixture(scope="module")
def run(weights: dict[int, Any], small_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = run_main(tmp_path_factory.mktemp("averaged"), small_config(optim=OPTIM))
    assert run.status == 0
    return run


def mean(weights: dict[int, Weights], first: int, last: int) -> Weights:
    steps = range(first, last + 1)
    return {name: torch.stack([weights[step][name] for step in steps]).mean(dim=0) for name in weights[first]}


def test_the_mean_of_the_second_half(run: Run, weights: dict[int, Weights]) -> None:
    averages = run.load()["ema"]
    assert averages["num_updates"] == 8
    torch.testing.assert_close(averages["shadow_params"], [*mean(weights, 9, 16).values()], rtol=1e-12, atol=1e-14)


def test_the_best_weights_are_averages(run: Run, weights: dict[int, Weights]) -> None:
    losses = [float(row["loss"]) for row in run.validations()]
    expected = [weights[4], weights[8], mean(weights, 9, 12), mean(weights, 9, 16)]
    best = run.load("best_checkpoint.pt")["state_dict"]
    found = [all(torch.allclose(best[name].double(), each[name], rtol=1e-6) for name in each) for each in expected]
    assert found == [loss == min(losses) for loss in losses]


def test_the_last_checkpoint_predicts_with_averages(run: Run, ethanol: Path) -> None:
    """As its validation did, whose error its raw weights do not have."""
    *_, row = run.validations()
    predicted = predict_labels(run.checkpoint(), ethanol / "val", cpu=True)
    assert np.abs(predicted.forces_error).mean() == pytest.approx(float(row[SHOWN]), rel=1e-5)
    raw = run.checkpoint("raw.pt")
    torch.save({**run.load(), "ema": None}, raw)
    raw_error = np.abs(predict_labels(raw, ethanol / "val", cpu=True).forces_error).mean()
    assert raw_error != pytest.approx(float(row[SHOWN]), rel=1e-3)


def test_an_extension_averages_its_own_steps(
    run: Run, weights: dict[int, Weights], tmp_path: Path, small_config: Config
) -> None:
    optim = {**OPTIM, "max_epochs": 6, "extension": {"after": 4}}
    extended = run_main(tmp_path, small_config(optim=optim), "--checkpoint", str(run.checkpoint()))
    assert extended.load()["step"] == 24
    torch.testing.assert_close(
        extended.load()["ema"]["shadow_params"], [*mean(weights, 21, 24).values()], rtol=1e-12, atol=1e-14
    )


def test_a_warning_of_first_weights_in_exponential_averages(
    tmp_path: Path, small_config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    folders = [tmp_path / name for name in ("fresh", "resumed")]
    for folder in folders:
        folder.mkdir()
    run = run_main(folders[0], small_config(optim={"max_epochs": 2, "ema_decay": 0.9}))
    assert "optim.ema_decay: 0.9 over 8 steps leaves 43 % of the random first weights" in caplog.text
    caplog.clear()
    config = small_config(optim={"max_epochs": 3, "ema_decay": 0.9})
    assert run_main(folders[1], config, "--checkpoint", str(run.checkpoint())).status == 0
    assert "first weights" not in caplog.text  # that start is trained


def test_exponential_averages_after_equal_ones(
    run: Run, tmp_path: Path, small_config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    optim = {"scheduler": "OneCycleLR", "max_epochs": 5, "ema_decay": 0.9}
    resumed = run_main(tmp_path, small_config(optim=optim), "--checkpoint", str(run.checkpoint()))
    averages = resumed.load()["ema"]
    assert (averages["decay"], averages["num_updates"]) == (0.9, None)
    assert "are of another kind" in caplog.text


def test_two_averages_are_refused() -> None:
    optim = {"lr_initial": 1e-3, "max_epochs": 1, "batch_size": 10, "scheduler": "Null", "swa_start": 0.75}
    check_optim({**optim, "ema_decay": None}, DCTrainer)
    with pytest.raises(UserError, match=r"optim\.swa_start: got 0\.75 together with ema_decay: 0\.9"):
        check_optim({**optim, "ema_decay": 0.9}, DCTrainer)
