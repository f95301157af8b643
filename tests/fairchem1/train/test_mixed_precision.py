"""Mixed precision, which fairchem has on GPUs only: its gradient scaler and autocast, forced on the CPU."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ocp_dc.fairchem1.train.state_trainer import StateTrainer
from ocp_dc.fairchem1.trainer import DCTrainer

from tests.helpers.runs import Run, run_main

Config = Callable[..., dict[str, Any]]
SCALE = 2.0**10  # gradients times a power of two are exact
STEPS = 4  # of a run


@pytest.fixture
def scaler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient scaler in each run, with an autocast that does nothing."""
    load = StateTrainer.load_optimizer

    def with_scaler(trainer: Any) -> None:
        load(trainer)
        trainer.scaler = torch.GradScaler("cpu", init_scale=SCALE)

    monkeypatch.setattr(StateTrainer, "load_optimizer", with_scaler)
    monkeypatch.setattr(torch, "autocast", lambda device, enabled: contextlib.nullcontext())


def config_of(small_config: Config, wish: str = "native") -> dict[str, Any]:
    dc = {"activation": "irelu", "region": "output", "accelerate": wish}
    return small_config(model={"dc": dc, "num_interactions": 1}, optim={"max_epochs": 1, "clip_grad_norm": 10})


@pytest.fixture
def plain(tmp_path: Path, small_config: Config) -> Run:
    """A run in single precision."""
    return run_main(tmp_path, config_of(small_config))


def difference(one: Run, other: Run) -> float:
    """The largest difference of two runs' weights."""
    weights, expected = one.load()["state_dict"], other.load()["state_dict"]
    return max(float((weights[name] - value).abs().max()) for name, value in expected.items())


def test_has_no_effect_on_a_cpu(
    tmp_path: Path, small_config: Config, plain: Run, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_main(tmp_path, config_of(small_config), "--amp")
    assert difference(run, plain) == 0
    assert run.load()["amp"] is None
    assert "--amp: mixed precision needs a GPU and has no effect on the CPU" in caplog.text


@pytest.mark.parametrize("wish", ["native", "compile"])
def test_a_scaler_changes_no_number(
    tmp_path: Path, small_config: Config, plain: Run, request: Any, wish: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Gradients of parameters alone, clipped, and a fused optimizer; nothing is compiled."""
    request.getfixturevalue("scaler")
    run = run_main(tmp_path, config_of(small_config, wish))
    saved = run.load()
    assert difference(run, plain) == 0
    assert saved["amp"]["scale"] == SCALE
    assert saved["optimizer"]["param_groups"][0]["fused"] is True
    told = [record.getMessage() for record in caplog.records if "dc.accelerate" in record.getMessage()]
    why = "dc.accelerate: compile: the model is not compiled: --amp computes in mixed precision"
    assert told == ([why] if wish == "compile" else [])


def test_a_step_with_an_infinite_gradient_is_skipped(
    tmp_path: Path, small_config: Config, scaler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the scaler, which halves the scale, and not reported as a divergence."""
    backward = DCTrainer._backward
    weights = []

    def overflowing(self: Any, loss: torch.Tensor) -> None:
        weights.append(self.model.lin2.weight.detach().clone())
        backward(self, loss * torch.inf if self.step == 2 else loss)

    monkeypatch.setattr(DCTrainer, "_backward", overflowing)
    run = run_main(tmp_path, config_of(small_config))
    assert run.status == 0
    assert [torch.equal(*pair) for pair in itertools.pairwise(weights)] == [False, True, False]
    saved = run.load()
    assert saved["amp"]["scale"] == SCALE / 2
    assert {float(state["step"]) for state in saved["optimizer"]["state"].values()} == {STEPS - 1}


@pytest.mark.parametrize("wish", ["native", "off"])
def test_half_precision(
    tmp_path: Path, small_config: Config, plain: Run, request: Any, wish: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Autocast to bfloat16 in the forward pass: other losses than in single precision, but near them."""
    request.getfixturevalue("scaler")
    monkeypatch.setattr(torch, "autocast", lambda device, enabled: torch.amp.autocast("cpu", torch.bfloat16, enabled))
    run = run_main(tmp_path, config_of(small_config, wish))
    assert run.status == 0
    (row,), (expected,) = run.validations(), plain.validations()
    assert row["train_loss"] != expected["train_loss"]
    assert float(row["train_loss"]) == pytest.approx(float(expected["train_loss"]), rel=0.01)
    assert {value.dtype for value in run.load()["state_dict"].values()} == {torch.float32}
