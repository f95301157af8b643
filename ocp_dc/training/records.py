"""Text files that are saved with the results of a training run."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ocp_dc.core.files import is_cut_off, write_text
from ocp_dc.training.plain import as_plain_data

BLOCKS = ("trainer", "logger", "task", "model", "outputs", "loss_functions", "evaluation_metrics", "optim")
SPLITS = {"train": "dataset", "val": "val_dataset", "test": "test_dataset", "relax": "relax_dataset"}


def runnable_config(config: Mapping[str, Any]) -> str:
    """Return the resolved config of a training run as YAML for ``ocp-dc main``, with the flags in a comment at the top.

    Args:
        config: the config of the trainer.
    """
    blocks = {name: config[name] for name in BLOCKS if config.get(name)}
    blocks["dataset"] = {split: config[name] for split, name in SPLITS.items() if config.get(name)}
    flags = ", ".join(f"{name} {config['cmd'][name]}" for name in ("timestamp_id", "seed", "version"))
    return f"# {flags}\n{yaml.safe_dump(as_plain_data(blocks), sort_keys=False)}"


def write_once(path: Path, text: str) -> Path:
    """Write a file; if a ``config.yml`` with other content exists, keep it and write ``config-2.yml``.

    A run that resumes or predicts under an earlier name may have another config than before. A file that is empty or
    truncated, as earlier versions left it when they were killed, is overwritten.

    Returns:
        The path of the file that contains ``text``.

    Raises:
        WriteError: the file cannot be written.
    """
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    chosen = next(p for p in itertools.chain([path], numbered) if _is_free(p, text))
    write_text(chosen, text)
    return chosen


def _is_free(path: Path, text: str) -> bool:
    """Return whether writing a file loses nothing: it does not exist, has the same content, or is truncated."""
    if path.is_symlink() or not path.exists():  # a link is replaced; its target is kept
        return True
    try:
        before = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    if before == text:
        return True
    if not before.strip("\0 \n") or (text.startswith(before) and not before.endswith("\n")) or is_cut_off(path):
        logging.warning(f"{path}: is empty or cut off, and is written again")
        return True
    return False
