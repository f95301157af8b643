"""The terms of the loss, by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.predictions import predict_labels
from tests.helpers.runs import run_main


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
        optim={"max_epochs": 1, "batch_size": 40, "lr_initial": 1.0e-12},
    )
    run = run_main(tmp_path, config)
    assert run.status == 0
    predicted = predict_labels(run.checkpoint(), ethanol / "train", cpu=True)
    scale = run.load()["label_rescaling"]["scale"]
    energy, forces = predicted.energy_error / scale, predicted.forces_error / scale
    (row,) = run.validations()
    expected = {
        "train_loss_energy": 2 * np.abs(energy).mean() + 3 * (energy**2).mean(),
        "train_loss_forces": 30 * np.abs(forces).mean() + 50 * np.sqrt((forces**2).sum(axis=1)).mean(),
    }
    expected["train_loss"] = sum(expected.values())
    for name, value in expected.items():
        assert float(row[name]) == pytest.approx(value, rel=1e-4), name
