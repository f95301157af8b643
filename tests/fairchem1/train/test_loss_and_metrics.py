"""The terms of the loss, by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.loss_by_hand import ONE_STEP, scaled_errors


def test_losses_on_one_target_add_up(
    tmp_path: Path, small_config: Callable[..., dict[str, Any]], ethanol: Path
) -> None:
    """One step over the whole set that changes no weight: the losses are those of the checkpoint, on scaled labels."""
    config = small_config(
        loss_functions=[
            {"energy": {"fn": "mae", "coefficient": 2}},
            {"forces": {"fn": "mae", "coefficient": 30}},
            {"energy": {"fn": "mse", "coefficient": 3}},
            {"forces": {"fn": "l2mae", "coefficient": 50}},
        ],
        optim=ONE_STEP,
    )
    energy, forces, row = scaled_errors(tmp_path, config, ethanol)
    expected = {
        "train_loss_energy": 2 * np.abs(energy).mean() + 3 * (energy**2).mean(),
        "train_loss_forces": 30 * np.abs(forces).mean() + 50 * np.sqrt((forces**2).sum(axis=1)).mean(),
    }
    expected["train_loss"] = sum(expected.values())
    for name, value in expected.items():
        assert float(row[name]) == pytest.approx(value, rel=1e-4), name
