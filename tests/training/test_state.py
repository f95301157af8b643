"""The training state: what it saves and takes over, by hand and against an uninterrupted run."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import MultiStepLR, ReduceLROnPlateau

from ocp_dc.core.errors import UserError
from ocp_dc.labels import LabelRescaling
from ocp_dc.training import schedule
from ocp_dc.training.averages import averaged_weights, other_weights, trainable
from ocp_dc.training.extension import Extension
from ocp_dc.training.resume import Resume
from ocp_dc.training.state import TrainingState

# those of checkpoints of version 0.1.0 and the last one, but for what a host adds
ENTRIES = {
    *("state_dict", "amp", "label_rescaling", "epoch", "step", "optimizer", "scheduler", "ema", "best_val_metric"),
    *("primary_metric", "evaluations_since_best", "loss_sums", "random_states", "compiled", "extended_after"),
}


class Average:
    """An average by its definition, with fairchem's names."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.shadow_params = [parameter.detach().clone() for parameter in trainable(model)]

    def update(self) -> None:
        pairs = zip(self.shadow_params, trainable(self.model), strict=True)
        self.shadow_params = [self.decay * mean + (1 - self.decay) * now.detach() for mean, now in pairs]

    def state_dict(self) -> dict[str, Any]:
        return {"decay": self.decay, "num_updates": None, "shadow_params": self.shadow_params, "collected_params": [1]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.decay = state_dict["decay"]
        self.shadow_params = [value.clone() for value in state_dict["shadow_params"]]


def make(seed: int = 0, lr: float = 0.05, decay: float = 0.5, total: int = 12) -> TrainingState:
    torch.manual_seed(seed)
    model = nn.Linear(3, 1)
    model.register_parameter("frozen", nn.Parameter(torch.ones(2), requires_grad=False))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total)
    return TrainingState(model, optimizer, scheduler, Average(model, decay))


def train(state: TrainingState, steps: int) -> None:
    """Fit numbers that depend on the step alone; two steps are an epoch."""
    assert state.optimizer is not None
    for _ in range(steps):
        state.step += 1
        state.epoch = state.step / 2
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(state.step))
        loss = (state.model(x) - x.sum(dim=1, keepdim=True)).square().mean()
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        state.ema.update()
        state.running_means.add({"loss": loss})
        schedule.step(state.scheduler)


def same(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return torch.equal(one, two) if torch.is_tensor(one) else one == two


def test_a_resumed_state_is_the_uninterrupted_one():
    whole, first, second = make(), make(), make(seed=1)
    train(whole, 6)
    train(first, 3)
    whole.random_states = first.random_states = [{"torch": torch.get_rng_state()}]
    saved = copy.deepcopy(first.state_dict())
    assert set(saved) == ENTRIES
    assert saved["ema"]["collected_params"] == []
    second.load_state_dict(saved)
    train(second, 3)
    assert same(second.state_dict(), whole.state_dict())
    assert second.learning_rate == whole.learning_rate < 0.05


def test_weights_alone_start_a_run():
    first, second = make(), make(seed=1)
    train(first, 3)
    with averaged_weights(first):
        saved = copy.deepcopy(first.weights_dict())
    assert torch.equal(saved["state_dict"]["weight"], first.ema.shadow_params[0])
    assert not torch.equal(saved["state_dict"]["weight"], first.model.weight)
    second.load_state_dict(saved)
    assert (second.step, second.best_metric, second.running_means.state_dict()) == (0, None, {})
    assert torch.equal(second.model.weight, saved["state_dict"]["weight"])
    assert torch.equal(second.ema.shadow_params[0], second.model.weight)  # the average starts there


def test_settings_of_the_run_that_goes_on():
    first, second = make(total=12), make(seed=1, lr=0.2, decay=0.9, total=30)
    train(first, 4)
    second.load_state_dict(copy.deepcopy(first.state_dict()), Resume(keep_settings=True, saved_optimizer="Adam"))
    assert same(second.optimizer.state_dict()["state"], first.optimizer.state_dict()["state"])
    assert second.ema.decay == 0.9
    assert same(second.ema.shadow_params, first.ema.shadow_params)
    expected = make(lr=0.2, total=30)
    train(expected, 4)
    assert second.learning_rate == pytest.approx(expected.learning_rate, rel=1e-12)


def test_other_moments_start_at_zero(caplog):
    first, second = make(), make(seed=1)
    train(first, 2)
    saved = copy.deepcopy(first.state_dict())
    second.load_state_dict(saved, Resume(keep_settings=True, saved_optimizer="SGD"))
    assert second.optimizer.state_dict()["state"] == {}
    assert "its moments start at zero" in caplog.text


def test_epochs_of_another_length(caplog):
    """Three epochs of two steps are three of five; the schedule is that of the run."""
    first, second = make(), make(seed=1, total=30)
    train(first, 6)
    second.load_state_dict(copy.deepcopy(first.state_dict()), Resume(steps_per_epoch=5))
    assert (second.epoch, second.step, second.scheduler.last_epoch) == (3.0, 15, 15)
    assert "resumes from step 15" in caplog.text


def test_an_extension_begins_once():
    """Also one whose schedule goes on since its rate has not fallen yet, and one without a schedule."""
    for has_schedule in (True, False):
        states = [make(total=12), make(seed=1, total=12), make(seed=2, total=12)]
        for state in states:
            state.scheduler = MultiStepLR(state.optimizer, milestones=[8]) if has_schedule else None
        first, second, third = states
        train(first, 4)
        first.evaluations_since_best = 3
        resume = Resume(extension=Extension(after=2), total_steps=12)
        second.load_state_dict(copy.deepcopy(first.state_dict()), resume)
        assert (second.extended_after, second.evaluations_since_best) == (2, 0)
        train(second, 5)  # past the milestone
        second.evaluations_since_best = 2
        third.load_state_dict(copy.deepcopy(second.state_dict()), resume)
        assert third.evaluations_since_best == 2
        assert type(third.scheduler) is type(second.scheduler)
        train(second, 3)
        train(third, 3)
        assert same(third.state_dict(), second.state_dict())


def test_an_extension_is_that_of_its_run_whatever_the_config_says():
    first, second, third = make(total=4), make(seed=1, total=4), make(seed=2, lr=0.3, total=24)
    train(first, 4)
    resume = Resume(extension=Extension(after=2), total_steps=24)
    second.load_state_dict(copy.deepcopy(first.state_dict()), resume)
    train(second, 6)
    kept = dataclasses.replace(resume, keep_settings=True, saved_optimizer="Adam")
    third.load_state_dict(copy.deepcopy(second.state_dict()), kept)
    assert third.learning_rate == second.learning_rate


def test_a_schedule_of_validations_goes_on_where_epochs_have_another_length():
    first, second = make(), make(seed=1)
    for state in (first, second):
        state.scheduler = ReduceLROnPlateau(state.optimizer, factor=0.1, patience=1)
    train(first, 4)
    for metric in (1.0, 2.0, 2.0, 2.0):
        schedule.step_on_metric(first.scheduler, metric)
    second.load_state_dict(copy.deepcopy(first.state_dict()), Resume(steps_per_epoch=5))
    assert second.learning_rate == first.learning_rate == pytest.approx(0.005)
    assert (second.scheduler.best, second.scheduler.num_bad_epochs) == (1.0, first.scheduler.num_bad_epochs)


def test_the_best_metric_is_forgotten_where_it_means_something_else(caplog):
    state = make()
    state.forget_best("other losses")
    assert not caplog.messages
    state.take_metric(2.0)
    state.take_metric(3.0)
    state.forget_best("other losses")
    assert (state.best_metric, state.evaluations_since_best) == (None, 0)
    assert "other losses: the best loss so far, 2, cannot be compared" in caplog.text


def test_the_best_metric_is_kept_for_the_same_metric_alone():
    first = make()
    train(first, 1)
    first.take_metric(2.0)
    first.take_metric(3.0)
    for name, expected in (("loss", (2.0, 1)), ("forces_mae", (None, 0))):
        second = make()
        second.primary_metric = name
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        assert (second.best_metric, second.evaluations_since_best) == expected


@pytest.mark.parametrize(
    ("higher", "expected"), [(False, [True, False, True, False]), (True, [True, True, False, False])]
)
def test_which_metrics_are_the_best(higher, expected):
    state = TrainingState()
    assert [state.take_metric(value, higher) for value in (2.0, 3.0, 1.0, 1.0)] == expected
    assert (state.best_metric, state.evaluations_since_best) == ((3.0, 2) if higher else (1.0, 1))


def test_sums_of_the_first_version():
    state = TrainingState(nn.Linear(1, 1))
    state.load_state_dict({"state_dict": state.model.state_dict(), "loss_sum": (6.0, 2)})
    assert state.running_means.since_validation() == {"loss": 3.0}


def test_label_rescaling_and_predictions_from_averages():
    first, second = make(), TrainingState(make(seed=1).model)
    train(first, 2)
    first.label_rescaling = LabelRescaling(scale=2.5, mean=1.0, references=None)
    second.load_model(copy.deepcopy(first.state_dict()), averaged=True)
    assert second.label_rescaling.scale == 2.5
    assert torch.equal(second.model.weight, first.ema.shadow_params[0])


@pytest.mark.parametrize("change", [lambda v: v[:, :1], lambda v: v.long()], ids=["shape", "kind"])
def test_averages_of_another_model(change):
    first = make()
    saved = copy.deepcopy(first.state_dict())
    saved["ema"]["shadow_params"][0] = change(saved["ema"]["shadow_params"][0])
    with pytest.raises(UserError, match="are not those of its model"):
        make().load_state_dict(saved)


def test_other_weights_within_a_block():
    """Validation within them does not take the averages; an error within brings the weights back, too."""
    state, other = make(), make(seed=1)
    train(state, 2)
    before, ema = copy.deepcopy(state.model.state_dict()), state.ema
    with averaged_weights(state), averaged_weights(state):  # within itself it does nothing
        assert torch.equal(state.model.weight, ema.shadow_params[0])
    assert same(dict(state.model.state_dict()), dict(before))

    def failing() -> None:
        with other_weights(state, other.model.state_dict()), averaged_weights(state):
            assert torch.equal(state.model.weight, other.model.weight)
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        failing()
    assert same(dict(state.model.state_dict()), dict(before))
    assert state.ema is ema
