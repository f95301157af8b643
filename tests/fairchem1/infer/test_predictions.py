"""Predictions of files, ensembles and selections with fairchem 1.10."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.helpers.prediction_contract import PredictionContract
from tests.helpers.runs import Run


@pytest.fixture(scope="module")
def members(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The best checkpoint of a run, and one with other weights."""
    content = trained.load("best_checkpoint.pt")
    generator = torch.Generator().manual_seed(0)
    for name, value in content["state_dict"].items():
        if value.is_floating_point():
            content["state_dict"][name] = value * (1 + 0.02 * torch.randn(value.shape, generator=generator))
    path = tmp_path_factory.mktemp("member") / "best_checkpoint.pt"
    torch.save(content, path)
    return [trained.checkpoint("best_checkpoint.pt"), path]


class TestPredictions(PredictionContract):
    """The tests of both hosts."""
