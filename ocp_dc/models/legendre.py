"""Spherical harmonics Y_l0 as functions of the cosine of the angle, by Bonnet's recurrence."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def zonal_harmonics(cosines: Tensor, count: int) -> Tensor:
    """Return the spherical harmonics Y_l0 = sqrt((2l + 1) / 4π) P_l(cosine) of the orders l < ``count``.

    Args:
        cosines: [T, ...], in [-1, 1].
        count: the number of orders.

    Returns:
        [T, count, ...]; polynomials, so that every derivative is finite.
    """
    return _stack(_legendre(cosines, count))


def zonal_harmonics_and_slopes(cosines: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return :func:`zonal_harmonics` and their derivatives by the cosine, [T, count, ...] each."""
    legendre = _legendre(cosines, count)
    slopes = [torch.zeros_like(cosines), torch.ones_like(cosines)][:count]
    for order in range(1, count - 1):  # P'_(l+1) = P'_(l-1) + (2l + 1) P_l
        slopes.append(slopes[order - 1] + (2 * order + 1) * legendre[order])
    return _stack(legendre), _stack(slopes)


def _legendre(cosines: Tensor, count: int) -> list[Tensor]:
    """Return the Legendre polynomials P_l of the orders l < ``count``."""
    legendre = [torch.ones_like(cosines), cosines][:count]
    for order in range(1, count - 1):  # Bonnet's recurrence
        next_order = (2 * order + 1) * cosines * legendre[order] - order * legendre[order - 1]
        legendre.append(next_order / (order + 1))
    return legendre


def _stack(polynomials: list[Tensor]) -> Tensor:
    """Return polynomials of the orders 0, 1, ..., normalized like Y_l0 and stacked on a second axis."""
    factors = [math.sqrt((2 * order + 1) / (4 * math.pi)) for order in range(len(polynomials))]
    return torch.stack([factor * value for factor, value in zip(factors, polynomials, strict=True)], dim=1)
