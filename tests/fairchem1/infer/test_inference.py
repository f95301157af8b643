"""Which weights predict: the averaged ones, wherever a checkpoint has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase.build import molecule

import ocp_dc
from ocp_dc.fairchem1.infer.inspect_model import build_model

from tests.helpers.predictions import predict_labels
from tests.helpers.runs import Run, run_main

DC = {"activation": "irelu", "region": "output", "elsewhere": "mish"}


@pytest.fixture(scope="module")
def without_averages(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints of one set of weights each: the averaged ones of the training checkpoint, and the last ones."""
    state = trained.load()
    model = build_model(state["config"]["model"])
    model.load_state_dict(state["state_dict"])
    with torch.no_grad():
        for parameter, average in zip(model.parameters(), state["ema"]["shadow_params"], strict=True):
            parameter.copy_(average)
    folder = tmp_path_factory.mktemp("without_averages")
    for name, weights in (("averaged", model.state_dict()), ("last", state["state_dict"])):
        torch.save({**state, "ema": None, "state_dict": weights}, folder / f"{name}.pt")
    return {name: folder / f"{name}.pt" for name in ("averaged", "last")}


def by_labels(checkpoint: Path, ethanol: Path) -> np.ndarray:
    return predict_labels(checkpoint, ethanol / "test", cpu=True).forces_pred


def by_calculator(checkpoint: Path, ethanol: Path) -> np.ndarray:
    atoms = molecule("CH3CH2OH")
    atoms.calc = ocp_dc.calculator(checkpoint, cpu=True)
    return atoms.get_forces()


@pytest.mark.parametrize("predict", [by_labels, by_calculator])
def test_a_training_checkpoint_predicts_with_its_averaged_weights(
    trained: Run, without_averages: dict[str, Path], ethanol: Path, predict: Callable[[Path, Path], np.ndarray]
) -> None:
    found = predict(trained.checkpoint(), ethanol)
    np.testing.assert_array_equal(found, predict(without_averages["averaged"], ethanol))
    assert np.abs(found - predict(without_averages["last"], ethanol)).max() > 1e-3


@pytest.mark.parametrize("optim", [{"ema_decay": 0.9}, {}], ids=["averages", "no averages in the config"])
def test_main_predicts_with_them_whatever_the_config_says(
    optim: dict[str, float],
    trained: Run,
    without_averages: dict[str, Path],
    tmp_path: Path,
    small_config: Callable[..., dict[str, Any]],
) -> None:
    forces = []
    for path in (trained.checkpoint(), without_averages["averaged"], without_averages["last"]):
        config = small_config(model={"dc": DC}, optim=optim)
        run = run_main(tmp_path, config, "--checkpoint", str(path), mode="predict")
        assert run.status == 0
        with np.load(run.result("ocp_predictions.npz")) as predictions:
            forces.append(predictions["forces"])
    np.testing.assert_array_equal(forces[0], forces[1])
    assert np.abs(forces[0] - forces[2]).max() > 1e-3
