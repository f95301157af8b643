"""Functions of the distance of two atoms, with their derivatives in closed form."""

from __future__ import annotations

import math
from typing import Any

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
    """Return ``values`` as a function of the distances whose first derivative is ``slopes``, and the higher ones zero.

    Args:
        values: computed from the detached distances, [P, K].
        slopes: derivatives of the values by the distances, [P, K].
        distances: [P]; gradients flow to them.
    """
    result: Tensor = _FirstOrder.apply(values, slopes, distances)
    return result


class _FirstOrder(torch.autograd.Function):
    """values + (d - d.detach()) slopes, without the arithmetic: the second term is zero."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, slopes: Tensor, distances: Tensor) -> Tensor:
        ctx.save_for_backward(slopes)
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, Tensor | None]:
        (slopes,) = ctx.saved_tensors
        return grad, None, (grad * slopes).sum(-1) if ctx.needs_input_grad[2] else None
