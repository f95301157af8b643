"""Text files that a run leaves beside its results."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ocp_dc.fairchem1.plain import plain

BLOCKS = ("trainer", "logger", "task", "model", "outputs", "loss_functions", "evaluation_metrics", "optim")
SPLITS = {"train": "dataset", "val": "val_dataset", "test": "test_dataset", "relax": "relax_dataset"}


def runnable(config: Mapping[str, Any]) -> str:
    """Return the resolved config of a run as YAML that ``ocp-dc main`` takes again; what were flags stands on top.

    Args:
        config: the config as the trainer holds it.
    """
    blocks = {name: config[name] for name in BLOCKS if config.get(name)}
    blocks["dataset"] = {split: config[name] for split, name in SPLITS.items() if config.get(name)}
    flags = ", ".join(f"{name} {config['cmd'][name]}" for name in ("timestamp_id", "seed", "version"))
    return f"# {flags}\n{yaml.safe_dump(plain(blocks), sort_keys=False)}"


def keep(path: Path, text: str) -> Path:
    """Write a file, and leave one of another content alone: ``config.yml`` becomes ``config-2.yml`` then.

    A run that goes on under its name, or predicts under it, may have another config than it was started with.

    Returns:
        the path of the file that holds ``text``.
    """
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    chosen = next(p for p in itertools.chain([path], numbered) if not p.exists() or p.read_text() == text)
    chosen.write_text(text)
    return chosen
