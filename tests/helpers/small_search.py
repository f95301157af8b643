"""A small search with SchNet on a few structures of ethanol, for tests: seconds for a run."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import yaml

from tests.helpers.small_study import CONFIGS, SMALL

SPACE = {
    "optim.lr_initial": {"low": 3.0e-4, "high": 5.0e-3, "log": True},
    "optim.batch_size": [5, 10, 20],
    "loss_functions.forces.coefficient": {"low": 3.0, "high": 300.0, "log": True},
}


def write_search(folder: Path, **changes: Any) -> Path:
    """Write the file of the search, with some keys changed."""
    search = {
        "title": "A small search",
        "base": str(CONFIGS / "md17" / "{model}-stock.yml"),
        "models": ["schnet"],
        "data": {"sample": {"sample": "ethanol", "train": 40, "val": 10, "test": 10}},
        "common": SMALL,
        "space": SPACE,
        "arms": {"stock": {}},
        "budget": {"epochs": 2},
        "trials": 2,
        "rungs": [{"share": 0.5, "seeds": [0]}, {"share": 1, "seeds": [0]}],
    }
    path = folder / "search.yml"
    path.write_text(yaml.safe_dump({**search, **changes}, sort_keys=False))
    return path


def trial_table(out: Path) -> list[dict[str, str]]:
    """Return the rows of trials.csv without the times."""
    with (out / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
