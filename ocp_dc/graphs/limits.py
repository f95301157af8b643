"""Limits on the number of neighbors: which edges remain where an atom has too many."""

from __future__ import annotations

import torch
from torch import Tensor

TOLERANCE = 0.01  # of fairchem: neighbors that are farther by up to this than the last one are kept too


def nearest(target: Tensor, squared: Tensor, n: int, limit: int) -> Tensor | slice:
    """Return the edges that remain if each target keeps its ``limit`` nearest, and of equal distances the first ones.

    Args:
        target: int64 [E], ascending.
        squared: [E], the squared distances.
        n: the number of points, N.
        limit: how many edges each target keeps.

    Returns:
        An index into the edges that keeps their order.
    """
    degree = torch.bincount(target, minlength=n)  # [N]
    if not len(target) or int(degree.max()) <= limit:
        return slice(None)
    return nearest_rows(target, squared, degree, limit)


def nearest_rows(target: Tensor, squared: Tensor, degree: Tensor, limit: int) -> Tensor:
    """Return the numbers of the edges that :func:`nearest` keeps; TorchScript can compile it.

    Args:
        target: int64 [E], ascending.
        squared: [E], the squared distances.
        degree: int64 [N], the number of edges of each target.
        limit: how many edges each target keeps.
    """
    # Stable sorts, the last key first: by distance, then by target; ties keep the order of their source.
    order = torch.argsort(squared, stable=True)
    order = order[torch.argsort(target[order], stable=True)]
    first = degree.cumsum(0) - degree  # [N]: the first edge of each target
    rank = torch.arange(len(order), device=order.device) - first[target[order]]
    return order[rank < limit].sort()[0]


def nearest_neighbors(targets: Tensor, distances: Tensor, most: int, strict: bool) -> Tensor:
    """Return which edges fairchem's periodic search keeps where the number of neighbors is limited, bool [E].

    Of equal distances, those remain that torch's sort puts first; it sorts rows of the distances of each atom, as in
    fairchem, and in the default precision.

    Args:
        targets: int64 [E], in ascending order; at least one.
        distances: [E], lengths or squared lengths.
        most: how many of the nearest neighbors of each atom are kept; 0 or less for all.
        strict: whether ``most`` also holds among neighbors whose distances differ by less than ``TOLERANCE``.
    """
    return nearest_mask(targets, distances.to(torch.get_default_dtype()), most, 0.0 if strict else TOLERANCE)


def nearest_mask(targets: Tensor, distances: Tensor, most: int, tolerance: float = 0.0) -> Tensor:
    """Return which edges :func:`nearest_neighbors` keeps; TorchScript can compile it.

    Args:
        targets: see :func:`nearest_neighbors`.
        distances: [E], in the precision of the sort.
        most: see :func:`nearest_neighbors`.
        tolerance: how much farther than the last neighbor further ones may be; 0 to keep exactly ``most``.
    """
    degrees = torch.bincount(targets)  # [N], up to the last target
    largest = int(degrees.max())  # K
    if most <= 0 or largest <= most:
        return torch.ones_like(targets, dtype=torch.bool)
    starts = degrees.cumsum(0) - degrees  # [N]
    places = torch.arange(len(targets), device=targets.device) - starts[targets]  # [E], among the edges of the target
    rows = distances.new_full((len(degrees), largest), float("inf"))  # [N, K]
    rows[targets, places] = distances
    ordered, order = torch.sort(rows, dim=1)
    if tolerance == 0:
        is_near = torch.arange(largest, device=targets.device).expand_as(order) < most
    else:
        is_near = ordered <= ordered[:, most : most + 1] + tolerance
    kept = torch.zeros_like(is_near).scatter_(1, order, is_near)  # [N, K], in the order of the edges
    return kept[targets, places]
