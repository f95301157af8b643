"""Small runs of fairchem 2, each in a process, since fairchem sets handlers of signals and process groups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

import ocp_dc

ROOT = Path(ocp_dc.__file__).parents[1]
SMALL = {
    "model.backbone.hidden_channels": 16,
    "model.backbone.num_filters": 16,
    "model.backbone.num_interactions": 2,
    "model.backbone.num_gaussians": 12,
    "batch_size": 10,
}


def overrides(**changes: Any) -> list[str]:
    """Return overrides that make SchNet small."""
    return [f"{key}={value}" for key, value in {**SMALL, **changes}.items()]


def command(
    *arguments: str, cwd: Path, program: tuple[str, ...] = ("-m", "ocp_dc")
) -> subprocess.CompletedProcess[str]:
    """Run an ``ocp-dc`` command, or another program of Python, in a folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def train(out: Path, name: str, data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Train a small SchNet; results are in OUT/NAME/results."""
    places = [f"data_dir={data}", f"job.run_dir={out}", f"++job.timestamp_id={name}"]
    return command("main", "-c", "fairchem2/schnet-dc", *overrides(), *places, "epochs=2", *more, cwd=out)


def write_study(folder: Path, **changes: Any) -> Path:
    """Write a study of the small SchNet with two arms."""
    study = {
        "title": "IReLU in a small SchNet",
        "base": "{configs}/{model}-stock.yml",
        "models": ["schnet"],
        "data": {"sample": {"sample": "ethanol", "train": 40, "val": 10, "test": 10}},
        "common": SMALL,
        "arms": {
            "original": {},
            "irelu": {"model.dc.activation": {"name": "irelu", "coefficient": 0.25}, "model.dc.region": "output"},
        },
        "seeds": [0],
        "budget": {"epochs": 2},
    }
    path = folder / "study.yml"
    path.write_text(yaml.safe_dump({**study, **changes}, sort_keys=False))
    return path
