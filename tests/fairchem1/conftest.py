"""Runs of fairchem's main in this process, on a small SchNet and the small ethanol set."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import ocp_dc.fairchem1
from ocp_dc.cli import main

MODEL = {
    "name": "dc_schnet",
    "hidden_channels": 16,
    "num_filters": 16,
    "num_interactions": 2,
    "num_gaussians": 12,
    "cutoff": 5.0,
    "use_pbc": False,
    "otf_graph": True,
}


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


@dataclass
class Run:
    """What a finished run left behind."""

    status: int
    folder: Path
    name: str

    def checkpoint(self, file: str = "checkpoint.pt") -> Path:
        return self.folder / "checkpoints" / self.name / file

    def load(self, file: str = "checkpoint.pt") -> dict[str, Any]:
        return torch.load(self.checkpoint(file), weights_only=True)

    def result(self, file: str) -> Path:
        return self.folder / "results" / self.name / file

    def json(self, file: str) -> Any:
        return json.loads(self.result(file).read_text())

    def validations(self) -> list[dict[str, str]]:
        with self.result("validation.csv").open(newline="") as lines:
            return list(csv.DictReader(lines))


_names = (f"run{number}" for number in itertools.count())


def run_main(folder: Path, config: dict[str, Any], *arguments: str, mode: str = "train", name: str = "") -> Run:
    """Write a config and run ``ocp-dc main`` on it in this process."""
    name = name or next(_names)
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(config))
    fixed = ["main", "--mode", mode, "--config-yml", str(path), "--cpu", "--run-dir", str(folder)]
    status = main([*fixed, "--timestamp-id", name, "--print-every", "1000", *arguments])
    return Run(status, folder, name)


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


assert ocp_dc.fairchem1.trainer  # importing the package registers the names that the configs use
