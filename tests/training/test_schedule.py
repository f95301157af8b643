"""Schedules that go on at another step than they stopped at."""

from __future__ import annotations

import pytest
import torch
from torch.optim import lr_scheduler

from ocp_dc.training import schedule

MAKERS = {
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=20),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=20),
    "StepLR": lambda o: lr_scheduler.StepLR(o, step_size=3, gamma=0.5),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
}


def make(name, lr=0.01):
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=lr)
    return optimizer, MAKERS[name](optimizer)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("step", [0, 1, 7, 19, 30])
def test_move_to_gives_the_rates_of_a_run_that_came_that_far(name, step):
    optimizer, scheduler = make(name)
    for _ in range(min(step, 19) if name == "OneCycleLR" else step):
        optimizer.step()
        scheduler.step()
    other, moved = make(name)
    state = other.state_dict()
    state["param_groups"][0]["lr"] = 0.123  # where the old run stood
    other.load_state_dict(state)
    schedule.move_to(moved, step)
    assert other.param_groups[0]["lr"] == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    assert other.param_groups[0]["betas"] == pytest.approx(optimizer.param_groups[0]["betas"], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "length", "message"),
    [
        ("CosineAnnealingLR", "T_max", "rises again after it"),
        ("OneCycleLR", "total_steps", "at its last learning rate after it"),
    ],
)
def test_another_length_says_what_follows_the_schedule(name, length, message, caplog):
    optimizer, scheduler = make(name)
    schedule.warn_of_other_length(scheduler, {**scheduler.state_dict(), length: 10})
    assert message in caplog.text
    if name == "CosineAnnealingLR":
        schedule.move_to(scheduler, 30)
        assert optimizer.param_groups[0]["lr"] > 0


def test_plateaus_stay():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    optimizer.param_groups[0]["lr"] = 0.002
    schedule.move_to(lr_scheduler.ReduceLROnPlateau(optimizer), 5)
    assert optimizer.param_groups[0]["lr"] == 0.002


def test_steps_stop_where_the_schedule_ends():
    optimizer, scheduler = make("OneCycleLR")
    for _ in range(25):
        optimizer.step()
        schedule.step(scheduler)
    assert scheduler.last_epoch == 19
    schedule.step(None)


def test_a_plateau_follows_the_metric_alone():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    for metric in (1.0, 2.0):
        schedule.step(plateau)
        schedule.step_on_metric(plateau, torch.tensor(metric))
    assert optimizer.param_groups[0]["lr"] == 0.25
    other, cosine = make("CosineAnnealingLR")
    schedule.step_on_metric(cosine, 1.0)
    assert (cosine.last_epoch, other.param_groups[0]["lr"]) == (0, 0.01)


@pytest.mark.parametrize(
    ("metric", "higher"),
    [
        ("loss", False),
        ("energy_mae", False),
        ("energy_per_atom_mae", False),
        ("forces_mae", False),
        ("forces_mse", False),
        ("forces_magnitude_error", False),
        ("forces_cosine_similarity", True),
        ("cosine_similarity", True),
        ("energy_within_threshold", True),
        ("energy_forces_within_threshold", True),
        ("average_distance_within_threshold", True),
    ],
)
def test_which_metrics_improve_upwards(metric: str, higher: bool) -> None:
    """By what fairchem's evaluator calls them: errors improve downwards, similarities and fractions upwards."""
    assert schedule.higher_is_better(metric) is higher


def test_after_its_end_a_schedule_stays_at_its_last_rate():
    """OneCycleLR itself raises there: a run of more epochs than it was laid out for goes on."""
    optimizer, scheduler = make("OneCycleLR")
    rates = []
    for _ in range(25):
        optimizer.step()
        schedule.step(scheduler)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[18:] == [rates[18]] * 7  # 20 steps have 19 between them
    assert rates[17] > 10 * rates[18] > 0


@pytest.mark.parametrize(
    ("name", "filled"),
    [
        ("OneCycleLR", {"total_steps": 12, "max_lr": 0.1}),
        ("CosineAnnealingLR", {"T_max": 12}),
        ("PolynomialLR", {"total_iters": 12}),
        ("Null", {}),
    ],
)
def test_lengths_follow_from_epochs_and_loader(name, filled):
    optim = {"scheduler": name, "max_epochs": 3, "lr_initial": 0.1}
    assert schedule.with_length(optim, range(4)) == {**optim, **filled}
    given = {**optim, **dict.fromkeys(filled, 7)}
    assert schedule.with_length(given, range(4)) == given
    assert schedule.with_length(optim, None)["scheduler"] == "Null"
