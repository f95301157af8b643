"""Schedules for fairchem 2."""

from __future__ import annotations

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.train.schedules import one_cycle


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))], lr=0.01)


def test_one_cycle_spans_all_epochs() -> None:
    adam = optimizer()
    schedule = one_cycle(n_iters_per_epoch=10, optimizer=adam, epochs=3)
    rates = []
    for _ in range(30):
        rates.append(adam.param_groups[0]["lr"])
        adam.step()
        schedule.step()  # fairchem also steps after the last update
    assert max(rates) == pytest.approx(0.01)
    assert rates.index(max(rates)) == pytest.approx(0.3 * 30, abs=1)
    assert rates[-1] == pytest.approx(0.01 / 25 / 1e4)


@pytest.mark.parametrize("epochs", [0, 1.5, True])
def test_epochs_are_a_whole_number(epochs: float) -> None:
    with pytest.raises(UserError, match="epochs"):
        one_cycle(n_iters_per_epoch=10, optimizer=optimizer(), epochs=epochs)
