"""Checkpoints: reading them as data, writing them whole, and the state that an exact resume needs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ocp_dc.core.files import replacing
from ocp_dc.fairchem1.checks.checkpoint_check import check_parts, check_values
from ocp_dc.fairchem1.checks.model_arguments import check_saved_arguments
from ocp_dc.fairchem1.checks.trust import check_config
from ocp_dc.labels import LabelRescaling
from ocp_dc.training.plain_content import check_tree
from ocp_dc.training.safe_torch import load_torch


def read_checkpoint(path: Any, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint as data: nothing in it can run code, nor name code that may not run.

    Raises:
        UnsafeDataError: the file holds more than tensors and plain values, or its config names code of others; see
            :mod:`ocp_dc.fairchem1.checks.trust`.
        UserError: there is no such file, it is no checkpoint, it is damaged, or it holds numbers that are not finite.
    """
    where = f"checkpoint {path}"
    checkpoint = load_torch(path, "checkpoint", map_location)
    check_parts(checkpoint, where)
    check_tree(checkpoint["config"], where)
    check_config(checkpoint["config"], where)
    check_saved_arguments(checkpoint["config"], where)
    check_values(checkpoint, where)
    return checkpoint


def write_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint so that a kill or a full disk in the middle leaves the one that was there before.

    Raises:
        WriteError: it cannot be written.
    """
    with replacing(path) as new:
        torch.save(state, new)


def random_state() -> dict[str, Any]:
    """Return the state of every random number generator of this process, as data that weights_only reads."""
    version, python_words, gauss = random.getstate()
    name, numpy_words, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(python_words), gauss],
        "numpy": [name, np.asarray(numpy_words).tolist(), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Bring every random number generator back to what :func:`random_state` returned."""
    version, python_words, gauss = state["python"]
    random.setstate((version, tuple(python_words), gauss))
    name, numpy_words, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.array(numpy_words, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([words.cpu() for words in state["cuda"]])


def stock_normalizers(rescaling: LabelRescaling) -> dict[str, dict[str, torch.Tensor]]:
    """Return label rescaling as the states of fairchem's normalizers, which a stock trainer undoes it with."""
    scale, zero = torch.tensor(rescaling.scale), torch.tensor(0.0)
    return {"energy": {"mean": torch.tensor(rescaling.mean), "rmsd": scale}, "forces": {"mean": zero, "rmsd": scale}}


def stock_references(rescaling: LabelRescaling) -> dict[str, dict[str, torch.Tensor]]:
    """Return the per-element centre as the state of fairchem's element references; empty where there is none.

    Elements that the fit has not seen are NaN there, so that a stock prediction of them is NaN and not wrong.
    """
    if rescaling.references is None:
        return {}
    every_element = torch.full((119,), torch.nan)
    every_element[: len(rescaling.references)] = rescaling.references.float()
    return {"energy": {"element_references": every_element}}
