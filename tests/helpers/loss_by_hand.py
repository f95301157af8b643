"""The losses that a run reports against errors from which a test computes them by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.predictions import predict_labels
from tests.helpers.runs import run_main

ONE_STEP = {"max_epochs": 1, "batch_size": 40, "lr_initial": 1.0e-12}  # over the whole set, and changes no weight


def scaled_errors(folder: Path, config: dict[str, Any], data: Path) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Train for one step; return the errors of energies [B] and forces [N, 3] on scaled labels, and the losses."""
    run = run_main(folder, config)
    assert run.status == 0
    predicted = predict_labels(run.checkpoint(), data / "train", cpu=True)
    scale = run.load()["label_rescaling"]["scale"]
    (row,) = run.validations()
    return predicted.energy_error / scale, predicted.forces_error / scale, row
