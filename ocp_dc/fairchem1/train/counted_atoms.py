"""Metrics of batches where some structures, or all, have no free atom: fairchem's evaluator stops at these."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch


def evaluate(
    evaluator: Any,
    predictions: dict[str, torch.Tensor],
    targets: dict[str, torch.Tensor],
    natoms: torch.Tensor,
    of_atoms: Collection[str],
    metrics: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return fairchem's metrics of a batch, added to ``metrics``.

    A structure without counted atoms adds nothing to metrics of forces, is within the thresholds if its energy is, and
    its energy per atom is divided by all of its atoms.

    Args:
        evaluator: fairchem's evaluator.
        predictions: by output; ``natoms`` are the counted atoms of each structure.
        targets: of the same shapes.
        natoms: all atoms of each structure.
        of_atoms: the outputs that have a row for each counted atom.
        metrics: the sums so far.
    """
    if bool((targets["natoms"] > 0).all()):
        found: dict[str, Any] = evaluator.eval(predictions, targets, prev_metrics=metrics)
        return found
    metrics = metrics or {}
    filled = [_filled(values, natoms) for values in (predictions, targets)]
    for target, names in evaluator.target_metrics.items():
        if target in of_atoms and targets[target].shape[0] == 0:
            for name in names:
                metrics.setdefault(name if target in name else f"{target}_{name}", _nothing())
            continue
        part = copy.copy(evaluator)
        part.target_metrics = {target: names}
        metrics = part.eval(*((predictions, targets) if target in of_atoms else filled), prev_metrics=metrics)
    return metrics or {}


def _filled(values: Mapping[str, torch.Tensor], natoms: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the values with forces of 0 for all atoms of a structure without counted ones."""
    counted = values["natoms"]
    sizes = torch.where(counted > 0, counted, natoms.to(counted.device))
    filled = {**values, "natoms": sizes}
    if "forces" in values and values["forces"].shape[0] == int(counted.sum()):
        is_counted = torch.repeat_interleave(counted > 0, sizes)
        forces = values["forces"].new_zeros(int(sizes.sum()), 3)
        forces[is_counted] = values["forces"]
        filled["forces"] = forces
    return filled


def _nothing() -> dict[str, torch.Tensor]:
    """Return sums over no atom; as tensors, since Python's numbers cannot be divided by 0."""
    zero = torch.zeros((), dtype=torch.float64)
    return {"metric": zero / zero, "total": zero.clone(), "numel": zero.clone()}
