"""Text files that a run leaves beside its results."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ocp_dc.core.files import is_cut_off, write_text
from ocp_dc.training.plain import plain

BLOCKS = ("trainer", "logger", "task", "model", "outputs", "loss_functions", "evaluation_metrics", "optim")
SPLITS = {"train": "dataset", "val": "val_dataset", "test": "test_dataset", "relax": "relax_dataset"}


def runnable(config: Mapping[str, Any]) -> str:
    """Return the resolved config of a run as YAML that ``ocp-dc main`` takes again; flags are in a comment on top.

    Args:
        config: the config as the trainer holds it.
    """
    blocks = {name: config[name] for name in BLOCKS if config.get(name)}
    blocks["dataset"] = {split: config[name] for split, name in SPLITS.items() if config.get(name)}
    flags = ", ".join(f"{name} {config['cmd'][name]}" for name in ("timestamp_id", "seed", "version"))
    return f"# {flags}\n{yaml.safe_dump(plain(blocks), sort_keys=False)}"


def keep(path: Path, text: str) -> Path:
    """Write a file, or ``config-2.yml`` beside a ``config.yml`` of another content, which stays.

    A run that goes on under its name, or predicts under it, may have another config than it was started with. A file
    that is empty or not whole, as a kill of an earlier version left it, is written anew.

    Returns:
        the path of the file that holds ``text``.

    Raises:
        WriteError: it cannot be written.
    """
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    chosen = next(p for p in itertools.chain([path], numbered) if _is_free(p, text))
    write_text(chosen, text)
    return chosen


def _is_free(path: Path, text: str) -> bool:
    """Return whether writing a file loses nothing: it is not there, has the same content, or is not whole."""
    if path.is_symlink() or not path.exists():  # a link is replaced; its target stays
        return True
    try:
        before = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    if before == text:
        return True
    if not before.strip("\0 \n") or (text.startswith(before) and not before.endswith("\n")) or is_cut_off(path):
        logging.warning(f"{path}: is empty or cut off, and is written anew")
        return True
    return False
