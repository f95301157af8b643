"""Losses for fairchem 2, against sums written out."""

from __future__ import annotations

import pytest
import torch
from fairchem.core.modules.loss import DDPMTLoss

from ocp_dc.fairchem2.train.losses import ForceMAELoss


def test_the_mean_over_components_of_free_atoms() -> None:
    torch.manual_seed(0)
    pred, target = torch.randn(5, 3), torch.randn(5, 3)
    mask = torch.tensor([True, True, False, True, True])
    loss = DDPMTLoss(ForceMAELoss(), reduction="mean", coefficient=2.0)
    found = loss(pred, target, mult_mask=mask, natoms=torch.tensor([2, 3]))
    errors = [abs(float(pred[i, k] - target[i, k])) for i in (0, 1, 3, 4) for k in range(3)]
    assert float(found) == pytest.approx(2 * sum(errors) / 12, rel=1e-6)
