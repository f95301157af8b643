"""Metrics of batches in which structures have no free atom; fairchem's evaluator fails on these."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

# of fairchem's energy_forces_within_threshold
ENERGY_THRESHOLD, FORCE_THRESHOLD = 0.02, 0.03  # eV, eV/Å


def evaluate(
    evaluator: Any,
    predictions: dict[str, Tensor],
    targets: dict[str, Tensor],
    natoms: Tensor,
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
    filled = predictions, targets
    if not bool((targets["natoms"] > 0).all()):
        filled = _fill_forces(predictions, natoms), _fill_forces(targets, natoms)
    metrics = metrics or {}
    part = copy.copy(evaluator)
    for target, names in evaluator.target_metrics.items():
        values = (predictions, targets) if target in of_atoms else filled
        for name in names:
            label = name if target in name or target == "misc" else f"{target}_{name}"
            if target in of_atoms and targets[target].shape[0] == 0:
                metrics.setdefault(label, _empty_sums())
            elif name == "energy_forces_within_threshold":
                evaluator.update(label, _within_thresholds(*values), metrics)
            else:
                part.target_metrics = {target: [name]}
                metrics = part.eval(*values, prev_metrics=metrics)
    return metrics


def _within_thresholds(predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return fairchem's fraction of structures within both thresholds, without its loop over the structures."""
    sizes = targets["natoms"]
    near = (targets["forces"] - predictions["forces"]).abs() < FORCE_THRESHOLD  # [F, 3] with F counted atoms
    structure = torch.repeat_interleave(sizes)  # [F]
    far = torch.zeros_like(sizes).index_add(0, structure, (~near.all(dim=1)).to(sizes.dtype))  # [B]
    within = ((targets["energy"] - predictions["energy"]).abs().flatten() < ENERGY_THRESHOLD) & (far == 0)
    total, count = int(within.sum()), len(sizes)
    return {"metric": total / count, "total": total, "numel": count}


def _fill_forces(values: Mapping[str, Tensor], natoms: Tensor) -> dict[str, Tensor]:
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


def _empty_sums() -> dict[str, Tensor]:
    """Return sums over no atoms, as tensors because Python numbers cannot be divided by 0."""
    zero = torch.zeros((), dtype=torch.float64)
    return {"metric": zero / zero, "total": zero.clone(), "numel": zero.clone()}
