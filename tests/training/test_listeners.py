"""Listeners: who is told what, and those that keep, fit and write."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.surgery import FittedGain
from ocp_dc.training.best_weights import BestWeights
from ocp_dc.training.gains import GainFit, check_fitted
from ocp_dc.training.listeners import AtStart, Listener, Listeners
from ocp_dc.training.state import TrainingState
from ocp_dc.training.step_clock import RunTime, StepClock
from ocp_dc.training.validation_log import ValidationLog, read_training_log
from ocp_dc.training.validation_rows import ValidationRows

METRICS = {"loss": 4.0, "energy_mae": 0.5, "forces_mae": 0.25}


class Recorder(Listener):
    def __init__(self, name: str, told: list[tuple]) -> None:
        self.name, self.told = name, told

    def start(self, state):
        self.told.append((self.name, "start", state.step))

    def step(self, state, losses):
        self.told.append((self.name, "step", losses["loss"]))

    def validation(self, state, metrics):
        self.told.append((self.name, "validation", metrics))

    def end(self, state):
        self.told.append((self.name, "end", state.step))


def test_each_is_told_in_order():
    told: list[tuple] = []
    action = AtStart(lambda state: told.append(("host", "start", state.step)))
    listeners = Listeners([Recorder("a", told), Listener(), action, Recorder("b", told)])
    state = TrainingState(step=2)
    listeners.start(state)
    listeners.step(state, {"loss": 1.0})
    listeners.validation(state, None)
    listeners.end(state)
    assert told == [
        *[("a", "start", 2), ("host", "start", 2), ("b", "start", 2)],
        *[("a", "step", 1.0), ("b", "step", 1.0)],
        *[("a", "validation", None), ("b", "validation", None)],
        *[("a", "end", 2), ("b", "end", 2)],
    ]


def test_the_best_weights_are_a_copy_of_those_of_the_best_validation():
    best, state = BestWeights(), TrainingState(nn.Linear(1, 1))
    for step, value in enumerate((3.0, 1.0, 2.0), start=1):
        state.step = step
        nn.init.constant_(state.model.weight, float(step))
        state.take_metric(value)
        best.validation(state, {"loss": value})
    assert (best.step_of_best, best.weights["weight"].item()) == (2, 2.0)
    state.take_metric(0.0)
    best.validation(state, None)
    assert best.step_of_best == 2


def test_rows_hold_means_since_the_last_validation(tmp_path):
    log, clock = ValidationLog(tmp_path / "validation.csv"), StepClock(torch.device("cpu"))
    rows = ValidationRows(log, clock)
    model = nn.Linear(1, 1)
    state = TrainingState(model, torch.optim.SGD(model.parameters(), lr=0.125))
    listeners = Listeners([rows, state.running_means, clock])
    listeners.start(state)
    for step, loss in enumerate((1.0, 3.0, 5.0, 9.0), start=1):
        state.step, state.epoch = step, step / 4
        listeners.step(state, {"loss": torch.tensor(loss), "loss_energy": loss})
        if step % 2 == 0:
            with clock.paused():
                listeners.validation(state, METRICS)
    written = read_training_log(tmp_path / "validation.csv")
    assert written.epoch.tolist() == [0.5, 1.0]
    text = (tmp_path / "validation.csv").read_text()
    assert text.splitlines()[1].startswith("2,0.5,0.125,2.0,2.0,4.0,0.5,0.25,")
    assert text.splitlines()[2].startswith("4,1.0,0.125,7.0,7.0,4.0,")
    state.step, state.epoch = 2, 0.5  # resumed from there
    rows.start(state)
    assert len((tmp_path / "validation.csv").read_text().splitlines()) == 2


def test_without_a_validation_set_means_begin_anew_and_nothing_is_written(tmp_path):
    rows = ValidationRows(ValidationLog(tmp_path / "validation.csv"), StepClock(torch.device("cpu")))
    state = TrainingState(step=2)
    state.running_means.add({"loss": torch.tensor(1.0)})
    rows.validation(state, None)
    assert state.running_means.state_dict() == {}
    assert list(tmp_path.iterdir()) == []


def test_the_time_of_a_run_is_logged_at_its_end(caplog):
    with caplog.at_level(logging.INFO):
        time = RunTime(total=12)
        time.start(TrainingState())
        assert caplog.text == ""
        time.end(TrainingState(step=8))
    assert "trained to step 8 of 12 in 0.0 s" in caplog.text


def test_gains_are_fitted_once_and_agreed_on(caplog):
    """The first rank says 7: its numbers count."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), FittedGain(nn.LayerNorm(3)))
    with pytest.raises(UserError, match=r"1: its gain is not fitted \(model\.dc\.norm_gain\)"):
        check_fitted(model)
    told: list[list[float]] = []

    def agree(values: list[float]) -> list[float]:
        told.append(values)
        return [7.0]

    with caplog.at_level(logging.INFO):
        GainFit(lambda: model(torch.ones(4, 2)), agree, logs=True).start(TrainingState(model))
    features = model[0](torch.ones(4, 2))
    assert told[0] == [pytest.approx(1 / features.square().mean().sqrt().item(), rel=1e-3)]
    assert model[1].gain.item() == 7.0
    assert "gains in place of norms: 7" in caplog.text
    check_fitted(model)


def test_a_model_without_gains_is_not_run():
    GainFit(lambda: pytest.fail("run"), lambda values: pytest.fail("agreed"), logs=True).start(
        TrainingState(nn.Linear(1, 1))
    )
