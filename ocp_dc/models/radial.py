"""Functions of the distance of two atoms, with their derivatives in closed form."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def gaussians(distances: Tensor, centers: Tensor, coefficient: float) -> tuple[Tensor, Tensor]:
    """Return exp(c (d - μ)²) for each center μ and the derivatives by d, [P, K] each.

    Args:
        distances: d, [P], in Å.
        centers: μ, [K], in Å.
        coefficient: c, negative, in 1/Å².
    """
    shifts = distances[:, None] - centers  # [P, K]
    values = torch.exp(coefficient * shifts.square())
    return values, (2 * coefficient) * shifts * values


def cosine_envelope(distances: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Return (1 + cos(π d / cutoff)) / 2 and the derivative by d, [P] each; it is not cut off beyond the cutoff."""
    angles = distances * (math.pi / cutoff)
    return 0.5 * (torch.cos(angles) + 1.0), (-0.5 * math.pi / cutoff) * torch.sin(angles)


def first_order(values: Tensor, slopes: Tensor, distances: Tensor) -> Tensor:
    """Return values whose first derivative by the distances is ``slopes``, and whose higher ones are zero.

    Args:
        values: a function of the detached distances, [P, K].
        slopes: its derivative, [P, K].
        distances: [P]; gradients flow to them.
    """
    return values + (distances - distances.detach())[:, None] * slopes
