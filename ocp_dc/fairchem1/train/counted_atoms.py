"""Metrics of batches in which structures have no free atom; fairchem's evaluator fails on these."""

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
    """Add fairchem's metrics of a batch to ``metrics``, and return the sums.

    A structure without counted atoms adds nothing to metrics of forces. It is within the thresholds if its energy is,
    and its energy per atom is divided by the number of all its atoms.

    Args:
        evaluator: fairchem's evaluator.
        predictions: predictions by output; ``natoms`` ``[B]`` is the number of counted atoms of each structure.
        targets: targets by output, with the same shapes.
        natoms: the number of all atoms of each structure, ``[B]``.
        of_atoms: the outputs that have a row for each counted atom.
        metrics: the sums so far, or None.
    """
    if bool((targets["natoms"] > 0).all()):
        found: dict[str, Any] = evaluator.eval(predictions, targets, prev_metrics=metrics)
        return found
    metrics = metrics or {}
    filled = [_fill_forces(values, natoms) for values in (predictions, targets)]
    for target, names in evaluator.target_metrics.items():
        if target in of_atoms and targets[target].shape[0] == 0:
            for name in names:
                metrics.setdefault(name if target in name else f"{target}_{name}", _empty_sums())
            continue
        part = copy.copy(evaluator)
        part.target_metrics = {target: names}
        metrics = part.eval(*((predictions, targets) if target in of_atoms else filled), prev_metrics=metrics)
    return metrics or {}


def _fill_forces(values: Mapping[str, torch.Tensor], natoms: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the values, with zero forces for all atoms of structures without counted atoms."""
    counted = values["natoms"]
    sizes = torch.where(counted > 0, counted, natoms.to(counted.device))
    filled = {**values, "natoms": sizes}
    if "forces" in values and values["forces"].shape[0] == int(counted.sum()):
        is_counted = torch.repeat_interleave(counted > 0, sizes)
        forces = values["forces"].new_zeros(int(sizes.sum()), 3)
        forces[is_counted] = values["forces"]
        filled["forces"] = forces
    return filled


def _empty_sums() -> dict[str, torch.Tensor]:
    """Return sums over no atoms, as tensors because Python numbers cannot be divided by 0."""
    zero = torch.zeros((), dtype=torch.float64)
    return {"metric": zero / zero, "total": zero.clone(), "numel": zero.clone()}
