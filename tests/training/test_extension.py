"""The schedule of a run that goes on for more epochs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from ocp_dc.core.errors import UserError
from ocp_dc.training.extension import ExtendedSchedule, Extension, begins, begun, extended_schedule


def optimizer(**options: Any) -> torch.optim.Adam:
    parameters = [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))]
    return torch.optim.Adam([{"params": [parameters[0]]}, {"params": [parameters[1]], "lr": 0.01}], lr=0.1, **options)


def steps(schedule: Any, count: int) -> list[tuple[list[float], float]]:
    """Return the rates of each group, and the first beta, after each of some steps."""
    found = []
    for _ in range(count):
        schedule.optimizer.step()
        schedule.step()
        groups = schedule.optimizer.param_groups
        found.append(([group["lr"] for group in groups], groups[0]["betas"][0]))
    return found


def finished() -> lr_scheduler.OneCycleLR:
    schedule = lr_scheduler.OneCycleLR(optimizer(), max_lr=[0.1, 0.01], total_steps=11)
    steps(schedule, 10)
    return schedule


def test_the_rate_rises_in_a_tenth_and_falls() -> None:
    schedule = extended_schedule(finished(), Extension(after=2, peak=0.5), 100)
    assert isinstance(schedule, ExtendedSchedule)
    found = steps(schedule, 100)
    rates = [rates[0] for rates, _ in found]
    assert rates.index(max(rates)) in (8, 9)  # of 0 to 99
    assert max(rates) == pytest.approx(0.05, rel=0.01)
    assert rates[-1] < 1e-5
    assert [pair[1] for pair, _ in found] == pytest.approx([rate / 10 for rate in rates])
    assert min(beta for _, beta in found) == pytest.approx(0.85, abs=0.01)  # the momentum is cycled, as before


@pytest.mark.parametrize("at", [0, 3, 50, 99])
def test_a_resumed_schedule_goes_on(at: int) -> None:
    straight = extended_schedule(finished(), Extension(after=2), 100)
    assert isinstance(straight, ExtendedSchedule)
    steps(straight, at)
    state = straight.state_dict()
    resumed = ExtendedSchedule.resumed(optimizer(), state)
    assert resumed.optimizer.param_groups[0]["lr"] == straight.optimizer.param_groups[0]["lr"]
    assert steps(resumed, 100 - at) == steps(straight, 100 - at)


@pytest.mark.parametrize(
    "schedule",
    [
        lr_scheduler.CosineAnnealingLR(optimizer(), T_max=10),
        lr_scheduler.MultiStepLR(optimizer(), milestones=[2, 4]),
        lr_scheduler.LambdaLR(optimizer(), lambda step: 1 / (1 + step)),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_any_schedule_that_has_fallen_gets_a_new_cycle(schedule: Any) -> None:
    steps(schedule, 10)
    new = extended_schedule(schedule, Extension(after=2, peak=0.5), 100)
    assert isinstance(new, ExtendedSchedule)
    found = steps(new, 100)
    assert max(rates[0] for rates, _ in found) == pytest.approx(0.05, rel=0.01)
    assert {beta for _, beta in found} == {0.9}


def test_a_constant_rate_and_one_of_validations_go_on() -> None:
    constant = lr_scheduler.LambdaLR(optimizer(), lambda step: 1.0)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer())
    for schedule in (constant, plateau, None):
        assert extended_schedule(schedule, Extension(after=2), 100) is schedule


def test_when_an_extension_begins() -> None:
    state = ExtendedSchedule(optimizer(), 2.0, 10, [0.1, 0.01], 0.3).state_dict()
    assert begun({"extended_after": 2.0}, None) == begun({}, state) == 2.0  # an earlier version has the state alone
    assert begun({"extended_after": None}, {"last_epoch": 3}) is begun({}, None) is None
    assert begins(Extension(2), None)
    assert begins(Extension(4), 2.0)
    assert not begins(Extension(2), 2.0)
    assert not begins(None, None)


@pytest.mark.parametrize("number", [1, 2, 5, 8, 9, 10, 11, 19])
def test_a_few_steps_are_a_cycle_too(number: int) -> None:
    schedule = extended_schedule(finished(), Extension(after=2, peak=0.5), number)
    assert isinstance(schedule, ExtendedSchedule)
    start = schedule.optimizer.param_groups[0]["lr"]
    rates = [start, *(rates[0] for rates, _ in steps(schedule, number))]
    assert rates[0] == pytest.approx(0.05 / 25)
    assert 0.04 < max(rates) <= 0.05
    assert number == 1 or rates[-1] < 1e-5


def test_a_schedule_whose_epochs_have_another_number_of_steps_now() -> None:
    straight = extended_schedule(finished(), Extension(after=2), 100)
    assert isinstance(straight, ExtendedSchedule)
    steps(straight, 40)
    resumed = ExtendedSchedule.resumed(optimizer(), straight.state_dict(), left=30)
    rates = (each.optimizer.param_groups[0]["lr"] for each in (resumed, straight))
    assert next(rates) == pytest.approx(next(rates), rel=0.03)
    assert steps(resumed, 30)[-1][0][0] < 1e-5


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({}, "such as {after: 30"),
        ({"after": 2, "peek": 1}, "Did you mean 'peak'"),
        ({"after": 0}, "optim.extension.after: got 0"),
        ({"after": 2, "peak": 1.5}, "optim.extension.peak: got 1.5"),
    ],
)
def test_blocks_that_are_not_valid(block: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Extension.from_block(block, "optim.extension")


def test_no_steps_left() -> None:
    with pytest.raises(UserError, match="leaves no steps"):
        extended_schedule(finished(), Extension(after=2), 0)
