"""Fit the label rescaling: one pass over the training labels, in float64."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.labels.options import LabelOptions
from ocp_dc.labels.rescaling import LabelRescaling

# The labels of one structure: atomic numbers [N], energy in eV, forces [N_free, 3] of the free atoms in eV/Å.
Labels = tuple[np.ndarray, float, np.ndarray]


def needs_data(options: LabelOptions) -> bool:
    """Return whether the center or the scale must be fitted to training labels."""
    return options.center != "none" or options.fixed_scale() is None


def fit(options: LabelOptions, labels: Iterable[Labels] = ()) -> LabelRescaling:
    """Fit center and scale to the training labels.

    The reference energies per element are the minimum-norm least-squares solution of composition · references = energy
    over all structures. Structures of the same composition share a row of that system, weighted by the square root of
    their number, so that memory grows with the number of compositions; the solution is the same.

    Args:
        options: the ``label_rescaling:`` block.
        labels: the training labels; not read if nothing is fitted.

    Returns:
        The fitted rescaling. Its scale C, in eV, divides the energies and the forces alike.

    Raises:
        UserError: there are no labels, a label is not finite, or the scale is fitted to forces and all are zero.
    """
    scale = options.fixed_scale()
    if not needs_data(options):
        assert scale is not None
        return LabelRescaling(scale=scale)

    structures = 0
    compositions: dict[bytes, tuple[np.ndarray, int, float]] = {}  # atoms per element, structures, sum of energies
    squares, components = 0.0, 0
    shift = 0.0  # the first energy; sums of differences from it are accurate under a large common offset
    for numbers, energy, forces in labels:
        if not np.isfinite(energy) or not np.isfinite(forces).all():
            raise UserError(f"label_rescaling: training sample {structures} has a label that is not finite")
        if structures == 0:
            shift = float(energy)
        structures += 1
        counts = np.bincount(np.asarray(numbers, dtype=np.int64))
        key = counts.tobytes()
        _, seen, total = compositions.get(key, (counts, 0, 0.0))
        compositions[key] = (counts, seen + 1, total + (float(energy) - shift))
        squares += float(np.square(forces, dtype=np.float64).sum())
        components += forces.size
    if structures == 0:
        raise UserError("label_rescaling: the training set is empty, so there is nothing to fit")
    if scale is None:
        if components == 0:
            raise UserError(
                "label_rescaling.scale: forces_rms needs forces on free atoms, but there are none; give a number"
            )
        factor = options.rms_factor()
        assert factor is not None
        scale = factor * float(np.sqrt(squares / components))
        if scale == 0.0:
            raise UserError(
                "label_rescaling.scale: forces_rms is 0 because every force in the training set is 0; give a number"
            )
    if options.center == "composition":
        return LabelRescaling(scale=scale, references=_references(list(compositions.values()), shift))
    mean = shift + sum(total for _, _, total in compositions.values()) / structures
    return LabelRescaling(scale=scale, mean=mean if options.center == "mean" else 0.0)


def _references(rows: list[tuple[np.ndarray, int, float]], shift: float) -> torch.Tensor:
    size = max(len(counts) for counts, _, _ in rows)
    composition = np.zeros((len(rows), size))  # [compositions, Z_max + 1]
    for row, (counts, _, _) in zip(composition, rows, strict=True):
        row[: len(counts)] = counts
    weights = np.sqrt([seen for _, seen, _ in rows])  # [compositions]
    energies = np.array([total / seen + shift for _, seen, total in rows])  # [compositions], eV
    present = composition.any(axis=0)
    solution = np.linalg.lstsq(composition[:, present] * weights[:, None], energies * weights, rcond=None)[0]
    references = np.full(size, np.nan)
    references[present] = solution
    return torch.from_numpy(references)
