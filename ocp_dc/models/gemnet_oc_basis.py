"""GemNet-OC's bases of dihedral angles, and their projections (arXiv 2204.02782, section 3).

A function of the angles of a quadruplet c -> a <- b <- d is a sum of products of a function of the angle cab, which is
computed for c and b, and one of the dihedral angle, which is computed for c, b and d.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.gemnet_basis import ValueAndSlope, cosine_functions, expand, radial
from ocp_dc.models.gemnet_interaction import scale_factors

SMALLEST_SINE = 1e-9  # as in fairchem; the dihedral angle of four atoms in a plane has no derivative


def distance_functions(basis: Any, distances: Tensor, first_order: bool) -> Tensor:
    """Return the functions of a radial basis of distances [M], scaled where the basis has a scale factor, [M, R]."""
    functions = expand(functools.partial(radial, basis), distances, -1, first_order)
    return functions * scale_factors([basis.scale_rbf]) if hasattr(basis, "scale_rbf") else functions


def projected(embedding: Any, rbf: Tensor) -> Tensor:
    """Return functions of distances, [M, R], projected for each function of angles, [M, emb_size, S]."""
    weight = embedding.weight  # [R, S, emb_size]; fairchem reads its products in another order than it writes them
    return (rbf @ weight.flatten(1)).view(rbf.shape[0], weight.shape[2], weight.shape[1])


def dihedral_angle(cosine: Tensor, sine: Tensor, first_order: bool) -> Tensor:
    """Return the dihedral angle between 0 and π, of any shape; see :func:`dihedral_cosine`."""
    if not first_order:
        return torch.atan2(sine.abs().clamp(min=SMALLEST_SINE), cosine)
    x, y, sign = _detached(cosine, sine)
    square = x.square() + y.square()
    return _linear(torch.atan2(y, x), (cosine, -y / square), (sine, sign * x / square))


def dihedral_cosine(cosine: Tensor, sine: Tensor, first_order: bool) -> Tensor:
    """Return the cosine of the dihedral angle.

    Args:
        cosine: the cosine times a positive number.
        sine: the sine, with any sign, times the same number.
        first_order: whether higher derivatives are not needed.
    """
    if not first_order:
        return cosine / (cosine.square() + sine.abs().clamp(min=SMALLEST_SINE).square()).sqrt()
    x, y, sign = _detached(cosine, sine)
    inverse = (x.square() + y.square()).rsqrt()
    value, ratio = x * inverse, y * inverse
    slope = ratio * inverse  # of the angle
    return _linear(value, (cosine, slope * ratio), (sine, -slope * sign * value))


def outer_lengths(embedding: Any, rbf: Tensor, rows: Tensor, angular: Tensor) -> Tensor:
    """Return the factors of S functions of the dihedral angle, for products of S functions of each of two angles.

    Args:
        embedding: the projection.
        rbf: [P, R], functions of the distance.
        rows: int64 [M], the row of ``rbf`` for each row of the result.
        angular: [M, S], functions of the angle cab.

    Returns:
        [M, emb_size, S].
    """
    weight = embedding.weight  # [R, S * S, emb_size]
    count, size = angular.shape[1], weight.shape[2]
    ordered = weight.reshape(-1, size, count, count).transpose(1, 2).reshape(-1, size * count)  # [R * S, emb_size * S]
    products = rbf.index_select(0, rows)[:, :, None] * angular[:, None]  # [M, R, S]; projected, rows are larger
    return (products.flatten(1) @ ordered).view(-1, size, count)


def harmonic_lengths(embedding: Any, rbf: Tensor, rows: Tensor, angular: Tensor) -> Tensor:
    """Return the factors of :func:`waves` of the dihedral angle, [M, emb_size, 2 S - 1]; see :func:`outer_lengths`.

    Args:
        embedding: the projection.
        rbf: [P, R], functions of the distance.
        rows: int64 [M], the row of ``rbf`` for each row of the result.
        angular: [M, S * S], :func:`associated_legendre` of the angle cab.
    """
    count = math.isqrt(angular.shape[1])
    selection = _wave_selection(count, angular.dtype, angular.device)
    return (projected(embedding, rbf).index_select(0, rows) * angular[:, None]) @ selection


def associated_legendre(count: int, x: Tensor) -> ValueAndSlope:
    """Return the factors of the real spherical harmonics Y_lm that depend on the cosine ``x``, and their slopes.

    They are ((2l+1)(l-m)! / 2π(l+m)!)^½ (1-x²)^(m/2) d^m P_l / dx^m; for m = 0 without a factor √2.

    Args:
        count: the number S of degrees l.
        x: [M].

    Returns:
        [M, S * S] each; for each degree the orders m = 0, ..., l, -l, ..., -1.
    """
    x = x.clamp(-1, 1)
    derivatives = _legendre_derivatives(count, x)
    sine = (1 - x.square()).sqrt()
    values, slopes = [], []
    for degree, signed in _orders(count):
        order = abs(signed)
        norm = (2 * degree + 1) * math.factorial(degree - order) / (4 * math.pi * math.factorial(degree + order))
        norm = math.sqrt(norm * (2 if order else 1))
        polynomial, slope = derivatives[degree][order], derivatives[degree][order + 1]
        values.append(norm * sine**order * polynomial)
        falling = order * x * sine ** (order - 2) * polynomial if order else torch.zeros_like(x)
        slopes.append(norm * (sine**order * slope - falling))
    return torch.stack(values, dim=-1), torch.stack(slopes, dim=-1)


def waves(count: int, angles: Tensor) -> ValueAndSlope:
    """Return cos(m θ), m = 0, ..., S - 1, then sin(m θ), m = 1, ..., S - 1, and their slopes.

    Args:
        count: S.
        angles: θ, [..., K].

    Returns:
        [..., 2 S - 1, K] each.
    """
    orders = torch.arange(count, dtype=angles.dtype, device=angles.device)[:, None]  # [S, 1]
    phases = angles[..., None, :] * orders
    cosines, sines = phases.cos(), phases.sin()
    values = torch.cat([cosines, sines[..., 1:, :]], dim=-2)
    return values, torch.cat([-orders * sines, orders[1:] * cosines[..., 1:, :]], dim=-2)


def outer_functions(gaussians: Any, count: int, cosines: Tensor, first_order: bool) -> Tensor:
    """Return Gaussians, or Legendre polynomials if ``gaussians`` is None, of cosines [..., K], as [..., S, K]."""
    return expand(functools.partial(cosine_functions, gaussians, count), cosines, -2, first_order)


@functools.cache
def _wave_selection(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return for each spherical harmonic its wave, [S * S, 2 S - 1] with one 1 in each row; kept on the device."""
    waves = [order if order >= 0 else count - 1 - order for _, order in _orders(count)]
    return torch.eye(2 * count - 1, dtype=dtype)[waves].to(device)


def _orders(count: int) -> list[tuple[int, int]]:
    """Return the degree and the order of each spherical harmonic, as fairchem orders them."""
    return [(degree, m) for degree in range(count) for m in (*range(degree + 1), *range(-degree, 0))]


def _legendre_derivatives(count: int, x: Tensor) -> list[list[Tensor]]:
    """Return d^m P_l / dx^m for each l < ``count`` and each m <= l + 1.

    The recurrence in l is (l-m) D_lm = (2l-1) x D_(l-1)m - (l+m-1) D_(l-2)m.
    """
    rows: list[list[Tensor]] = []
    for degree in range(count):
        row = []
        for order in range(degree):
            value = (2 * degree - 1) * x * rows[degree - 1][order]
            if order < degree - 1:
                value = value - (degree + order - 1) * rows[degree - 2][order]
            row.append(value / (degree - order))
        highest = float(math.prod(range(1, 2 * degree, 2)))
        rows.append([*row, torch.full_like(x, highest), torch.zeros_like(x)])
    return rows


def _detached(cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return both without gradients, the sine at least ``SMALLEST_SINE``, and its slope by the argument."""
    sine = sine.detach()
    size = sine.abs()
    return cosine.detach(), size.clamp(min=SMALLEST_SINE), sine.sign() * (size >= SMALLEST_SINE)


def _linear(value: Tensor, *arguments: tuple[Tensor, Tensor]) -> Tensor:
    """Return ``value`` as a function of tensors, each given with the slope by it."""
    for argument, slope in arguments:
        value = torch.addcmul(value, argument - argument.detach(), slope)
    return value
