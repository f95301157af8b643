"""Predictions of files, ensembles and selections with fairchem 2."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ocp_dc.checkpoints.inference_checkpoint import read_inference_checkpoint, write_inference_checkpoint

from tests.helpers.prediction_contract import PredictionContract

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def members(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The best checkpoint of a run, and one with other weights."""
    content = read_inference_checkpoint(checkpoint)
    generator = torch.Generator().manual_seed(0)
    for name, value in content.ema_state_dict.items():
        if value.is_floating_point():
            content.ema_state_dict[name] = value * (1 + 0.02 * torch.randn(value.shape, generator=generator))
    path = tmp_path_factory.mktemp("member") / "best_inference_ckpt.pt"
    write_inference_checkpoint(content, path)
    return [checkpoint, path]


class TestPredictions(PredictionContract):
    """The tests of both hosts."""
