"""Runs that diverge stop before they save anything, and name the step and the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ocp_dc.core.errors import DivergenceError
from ocp_dc.fairchem2.train.training_run import TrainingRun

from tests.helpers.fairchem2_toys import TOYS, Runs, weights_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def at_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], None]], None]:
    """Call a function with the training unit before the hooks of the callback are attached."""

    def install(action: Callable[[Any], None]) -> None:
        build = TrainingRun.__init__

        def build_after_action(run: TrainingRun, unit: Any, *rest: Any) -> None:
            action(unit)
            build(run, unit, *rest)

        monkeypatch.setattr(TrainingRun, "__init__", build_after_action)

    return install


def diverge(runs: Runs, name: str, *overrides: str) -> tuple[DivergenceError, Path]:
    with pytest.raises(DivergenceError) as caught:
        runs.train(name, *overrides)
    run = runs.folder(name)
    assert not (run / "checkpoints" / "final").exists()
    assert not (run / "results" / "test.json").exists()
    for checkpoint in (run / "checkpoints").iterdir():
        assert all(weights.isfinite().all() for weights in weights_of(checkpoint).values())
    return caught.value, run


@pytest.mark.parametrize("clip", ["null", "1"])
def test_a_loss_that_fairchem_hides(runs: Runs, clip: str) -> None:
    error, run = diverge(runs, f"hidden-{clip}", "+model.backbone.poison=7", f"clip_grad_norm={clip}")
    assert error.step == 7
    assert error.what == "the predicted energy"
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"step_0", "step_4"}
    assert f"the last good checkpoint is {run}/checkpoints/step_4/resume.yaml" in str(error)
    rows = (run / "results" / "validation.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["step", "5"]


@pytest.mark.parametrize("clip", ["null", "1"])
def test_a_gradient(runs: Runs, at_start: Any, clip: str) -> None:
    steps: list[int] = []

    def poison(unit: Any) -> None:
        weight = dict(unit.model.named_parameters())["module.backbone.pairs.3.weight"]

        def hook(gradient: torch.Tensor) -> torch.Tensor:
            steps.append(1)
            return gradient * (torch.nan if len(steps) == 6 else 1.0)

        weight.register_hook(hook)

    at_start(poison)
    error, _ = diverge(runs, f"gradient-{clip}", f"clip_grad_norm={clip}")
    assert (error.step, error.what) == (6, "the gradient of backbone.pairs.3.weight")


def test_a_weight(runs: Runs, at_start: Any) -> None:
    def poison(unit: Any) -> None:
        weight = unit.model.module.output_heads["efs"].last.bias

        def hook(optimizer: Any, *_: object) -> None:
            if unit.train_progress.num_steps_completed == 2:
                weight.data.fill_(torch.inf)

        unit.optimizer.register_step_post_hook(hook)

    at_start(poison)
    error, _ = diverge(runs, "weight")
    assert (error.step, error.what) == (3, "the weight output_heads.efs.last.bias")


def test_a_learning_rate_that_is_too_high(runs: Runs) -> None:
    error, _ = diverge(runs, "rate", "lr=1.0e+30")
    assert error.step == 2
    assert re.match("training diverged at step 2: the predicted .* is not finite; the last good", str(error))


def test_clipping_is_the_same_as_without_the_callback(runs: Runs) -> None:
    clipped = runs.train("clipped", "clip_grad_norm=0.01", "epochs=1")
    bare = runs.train("bare", "clip_grad_norm=0.01", "epochs=1", f"runner.callbacks.2._target_={TOYS}.NoCallback")
    found, expected = (weights_of(run / "checkpoints" / "final") for run in (clipped, bare))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
