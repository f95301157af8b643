"""Triplets of a batch as padded rows of edges, so that their sums are matrix products."""

from __future__ import annotations

import torch
from torch import Tensor


def incoming_edges(nodes: Tensor, target: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the edges that end at each of some atoms, padded to the largest number K of them.

    Args:
        nodes: int64 [M], atoms, such as the sources of the edges.
        target: int64 [E], the atom at which each edge ends.
        count: the number of atoms, N.

    Returns:
        int64 [M, K], the edges in their order, with an arbitrary valid edge in the padding; bool [M, K], true for edges
        and false for padding.
    """
    order = torch.argsort(target, stable=True)  # [E], edges by the atom at which they end
    degrees = torch.bincount(target, minlength=count)  # [N]
    starts = degrees.cumsum(0) - degrees  # [N], the first position in order of each atom
    largest = int(degrees.max()) if len(target) else 0
    slots = torch.arange(largest, device=target.device)  # [K]
    mask = slots < degrees.index_select(0, nodes)[:, None]  # [M, K]
    positions = (starts.index_select(0, nodes)[:, None] + slots).clamp(max=max(len(target) - 1, 0))
    return order[positions], mask
