"""Means since the last print and since the last validation."""

from __future__ import annotations

import pytest
import torch

from ocp_dc.training.running_means import RunningMeans


def step(loss: float, forces: float) -> dict[str, torch.Tensor]:
    return {"loss": torch.tensor(loss, requires_grad=True), "loss_forces": torch.tensor(forces)}


def test_both_means_by_hand():
    means = RunningMeans()
    means.add(step(1.0, 0.5))
    assert means.since_print() == {"loss": 1.0, "loss_forces": 0.5}
    means.add(step(3.0, 1.5))
    assert means.since_print() == {"loss": 3.0, "loss_forces": 1.5}
    assert means.since_validation() == {"loss": 2.0, "loss_forces": 1.0}
    means.add(step(7.0, 5.0))
    assert means.since_validation() == {"loss": 7.0, "loss_forces": 5.0}


def test_a_resumed_mean_is_the_uninterrupted_one():
    """To the last bit, in float64."""
    values = torch.rand(9, 2, generator=torch.Generator().manual_seed(0)).tolist()
    whole, before, after = RunningMeans(), RunningMeans(), RunningMeans()
    for number, value in enumerate(values):
        whole.add(step(*value))
        if number == 4:
            after.load_state_dict(before.state_dict())
        (before if number < 4 else after).add(step(*value))
    means = whole.since_validation()
    assert after.since_validation() == means
    assert means["loss"] == pytest.approx(sum(loss for loss, _ in values) / 9, rel=1e-7)


def test_a_state_without_terms():
    """Terms that the steps before did not sum have a mean of those since."""
    means = RunningMeans()
    means.load_state_dict({"loss": (6.0, 2)})
    means.add(step(3.0, 1.5))
    assert means.since_validation() == {"loss": 3.0, "loss_forces": 1.5}
    means.load_state_dict({"loss": (0.0, 0)})
    assert means.since_validation() == {}


def test_the_device_is_read_only_where_a_mean_is_asked_for(monkeypatch):
    def read(self):
        raise AssertionError("read from the device")

    means = RunningMeans()
    with monkeypatch.context() as patch:
        for name in ("item", "__float__", "__bool__", "tolist", "cpu"):
            patch.setattr(torch.Tensor, name, read)
        for _ in range(3):
            means.add(step(1.0, 1.0))
    assert means.since_validation()["loss"] == 1.0


def test_sums_are_in_float64():
    """A part that float32 would lose beside the whole is kept."""
    means = RunningMeans()
    means.add(step(1.0, 0.0))
    means.add(step(2.0**-30, 0.0))
    assert means.since_validation()["loss"] == (1.0 + 2.0**-30) / 2
