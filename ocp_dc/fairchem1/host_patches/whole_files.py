"""Write fairchem's predictions, relaxed positions, normalizers and checkpoints atomically."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from ocp_dc.core.npz_file import write_npz
from ocp_dc.fairchem1.train.checkpoints import write_checkpoint


class _WholeArchives:
    """Replacement for numpy in fairchem's trainers that writes archives atomically."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def savez_compressed(file: str | Path, **arrays: Any) -> None:
        """Write an archive atomically; an existing file is replaced, and a link is replaced rather than followed."""
        write_npz(file, **arrays)


def save_checkpoint(
    state: Any, checkpoint_dir: str | os.PathLike[str] = "checkpoints/", checkpoint_file: str = "checkpoint.pt"
) -> str:
    """Write a checkpoint atomically and return its path; replaces fairchem's function of this name."""
    path = Path(checkpoint_dir, checkpoint_file)
    write_checkpoint(state, path)
    return str(path)


def install() -> None:
    """Replace fairchem's writers, which write into the file itself; a second call changes nothing."""
    for name in ("trainers.base_trainer", "trainers.ocp_trainer"):
        module: Any = importlib.import_module(f"fairchem.core.{name}")
        if not isinstance(module.np, _WholeArchives):
            module.np = _WholeArchives()
    for name in ("trainers.base_trainer", "modules.normalization._load_utils"):
        module = importlib.import_module(f"fairchem.core.{name}")
        module.save_checkpoint = save_checkpoint
