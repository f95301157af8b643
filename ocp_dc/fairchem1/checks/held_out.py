"""Check that the LMDBs which a config names for validation and test exist."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocp_dc.core.errors import UserError

SPLITS = {"val": "validation", "test": "a test at the end"}


def check_held_out(blocks: Mapping[str, Mapping[str, Any] | None], train: Mapping[str, Any]) -> None:
    """Check that the LMDBs of validation and test exist, before anything is built.

    Args:
        blocks: the dataset blocks by split; only val and test are checked.
        train: the block of the training set, whose format is the default of the other blocks.

    Raises:
        UserError: a file or folder is missing; the message says how to run without it.
    """
    for split, meaning in SPLITS.items():
        block = blocks.get(split) or {}
        source = block.get("src")
        if not isinstance(source, str) or not _is_lmdb(block.get("format") or train.get("format") or "lmdb"):
            continue
        if not Path(source).exists():
            raise UserError(
                f"dataset.{split}.src {source}: no such file or folder (`ocp-dc prepare --{split} 0` writes none); set"
                f" --dataset.{split}.src=null to run without {meaning}, or prepare with --{split} N"
            )


def _is_lmdb(file_format: str) -> bool:
    return "lmdb" in file_format and file_format != "ase_lmdb"
