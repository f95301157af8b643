"""The share of the first weights in exponential averages."""

from __future__ import annotations

import logging

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ocp_dc.training.first_weights import warn_of_first_weights


def share_by_averaging(decay: float, steps: int) -> float:
    """Return what torch's average keeps of a first weight of 1, when all later ones are 0."""
    model = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    averages = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    with torch.no_grad():
        model.weight.fill_(1.0)
        averages.update_parameters(model)  # copies the first weights
        model.weight.fill_(0.0)
        for _ in range(steps):
            averages.update_parameters(model)
    return averages.module.weight.item()


@pytest.mark.parametrize(("decay", "steps"), [(0.99, 240), (0.9, 8), (0.999, 1000), (0.5, 1)])
def test_the_share_of_the_first_weights(decay, steps, caplog):
    warn_of_first_weights(decay, steps, "optim.ema_decay")
    share = share_by_averaging(decay, steps)
    assert f"optim.ema_decay: {decay:g} over {steps} steps leaves {100 * share:.2g} % of" in caplog.text


def test_the_advice_is_just_enough(caplog):
    warn_of_first_weights(0.99, 240, "ema_decay")
    assert "set it to 0.971 or lower, or to null, or train for at least 688 steps" in caplog.text
    for decay, steps, enough in [(0.971, 240, True), (0.972, 240, False), (0.99, 688, True), (0.99, 687, False)]:
        assert (share_by_averaging(decay, steps) <= 0.001) == enough
        caplog.clear()
        warn_of_first_weights(decay, steps, "ema_decay")
        assert (caplog.text == "") == enough


@pytest.mark.parametrize(("decay", "steps"), [(None, 1), (0.0, 1), (0.9, 66), (0.99, 1200)])
def test_no_warning(decay, steps, caplog):
    with caplog.at_level(logging.WARNING):
        warn_of_first_weights(decay, steps, "ema_decay")
    assert caplog.text == ""


def test_a_single_step(caplog):
    warn_of_first_weights(0.9, 1, "ema_decay")
    assert "set it to 0.001 or lower" in caplog.text
