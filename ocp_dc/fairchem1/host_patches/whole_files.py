"""Fairchem's predictions, relaxed positions, normalizers and checkpoints: written whole or not at all."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from ocp_dc.core.npz_file import write_npz
from ocp_dc.fairchem1.train.checkpoints import write_checkpoint


class _WholeArchives:
    """Stands where fairchem's trainers name numpy: archives are written whole, everything else is numpy's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def savez_compressed(file: str | Path, **arrays: Any) -> None:
        """Write an archive in the place of an older one; a link is replaced and not followed."""
        write_npz(file, **arrays)


def save_checkpoint(
    state: Any, checkpoint_dir: str | os.PathLike[str] = "checkpoints/", checkpoint_file: str = "checkpoint.pt"
) -> str:
    """Do what fairchem's function of this name does, whole or not at all; return the path."""
    path = Path(checkpoint_dir, checkpoint_file)
    write_checkpoint(state, path)
    return str(path)


def install() -> None:
    """Put these in the place of what writes into the file itself; once is enough."""
    for name in ("trainers.base_trainer", "trainers.ocp_trainer"):
        module: Any = importlib.import_module(f"fairchem.core.{name}")
        if not isinstance(module.np, _WholeArchives):
            module.np = _WholeArchives()
    for name in ("trainers.base_trainer", "modules.normalization._load_utils"):
        module = importlib.import_module(f"fairchem.core.{name}")
        module.save_checkpoint = save_checkpoint
