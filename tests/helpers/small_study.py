"""A small study of SchNet on the bundled ethanol, for tests: seconds for a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import ocp_dc
from ocp_dc.study.plan import Choices, Plan, make_plan
from ocp_dc.study.spec import read_study

CONFIGS = Path(ocp_dc.__file__).parents[1] / "configs"
SMALL = {
    "model.hidden_channels": 16,
    "model.num_filters": 16,
    "model.num_interactions": 2,
    "model.num_gaussians": 12,
    "logger": "tensorboard",
}
ARMS = {
    "original": {},
    "irelu": {"model.dc.activation": {"name": "irelu", "coefficient": 0.25}, "model.dc.region": "output"},
}


def write_study(folder: Path, **changes: Any) -> Path:
    """Write the study's file, with some keys changed."""
    study = {
        "title": "IReLU in a small SchNet",
        "base": str(CONFIGS / "md17" / "schnet-stock.yml"),
        "data": {"sample": {"sample": "ethanol", "train": 40, "val": 10, "test": 10}},
        "common": SMALL,
        "arms": ARMS,
        "seeds": [0, 1],
        "budget": {"epochs": 3},
    }
    path = folder / "study.yml"
    path.write_text(yaml.safe_dump({**study, **changes}, sort_keys=False))
    return path


def plan(out: Path, folder: Path, choices: Choices | None = None, **changes: Any) -> Plan:
    """Plan the study, with some keys changed, for the folder ``out``."""
    return make_plan(read_study(write_study(folder, **changes)), out, choices or Choices())
