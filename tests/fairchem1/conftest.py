"""A small SchNet on the small ethanol set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.runs import MODEL, Run, run_main

from fairchem.core.datasets.lmdb_dataset import LmdbDataset  # isort: skip  # after the hooks, which let it import


@pytest.fixture(scope="session")
def small_config(ethanol: Path) -> Callable[..., dict[str, Any]]:
    """Makes the config of a run of seconds; keyword arguments replace whole blocks or, given as a dict, merge."""

    def make(**changes: Any) -> dict[str, Any]:
        config: dict[str, Any] = {
            "trainer": "dc",
            "logger": "tensorboard",
            "model": dict(MODEL),
            "dataset": {
                "train": {
                    "src": str(ethanol / "train"),
                    "format": "lmdb_in_memory",
                    "key_mapping": {"y": "energy", "force": "forces"},
                    "transforms": {"label_rescaling": {"center": "composition", "scale": "forces_rms"}},
                },
                "val": {"src": str(ethanol / "val")},
                "test": {"src": str(ethanol / "test")},
            },
            "outputs": {
                "energy": {"level": "system"},
                "forces": {"level": "atom", "train_on_free_atoms": True, "eval_on_free_atoms": True},
            },
            "loss_functions": [
                {"energy": {"fn": "mae", "coefficient": 1}},
                {"forces": {"fn": "mae", "coefficient": 30}},
            ],
            "optim": {
                "batch_size": 10,
                "eval_batch_size": 5,
                "num_workers": 0,
                "max_epochs": 2,
                "optimizer": "Adam",
                "lr_initial": 1.0e-3,
                "scheduler": "Null",
            },
        }
        for key, value in changes.items():
            merges = isinstance(value, dict) and isinstance(config.get(key), dict)
            config[key] = {**config[key], **value} if merges else value
        return config

    return make


@pytest.fixture(scope="module")
def structures(request: pytest.FixtureRequest, ethanol: Path) -> list[Any]:
    """The first ethanols of the validation set, with labels: four, or as many as the module's STRUCTURES says."""
    dataset = LmdbDataset({"src": str(ethanol / "val")})
    return [dataset[index] for index in range(getattr(request.module, "STRUCTURES", 4))]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, small_config: Callable[..., dict[str, Any]]) -> Run:
    """A short derivative-constrained run with schedule and EMA."""
    config = small_config(
        model={"dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}},
        optim={"scheduler": "OneCycleLR", "ema_decay": 0.9},
    )
    run = run_main(tmp_path_factory.mktemp("trained"), config)
    assert run.status == 0
    return run
