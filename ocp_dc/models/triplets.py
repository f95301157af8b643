"""The edges of each atom as padded rows, so that sums over triplets are matrix products."""

from __future__ import annotations

import torch
from torch import Tensor


def padded_groups(atoms: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the edges of each atom, padded to the largest number K of them.

    Args:
        atoms: int64 [E], the atom of each edge.
        count: the number of atoms, N.

    Returns:
        int64 [N, K], the edges in their order, with an arbitrary edge in the padding; bool [N, K], false for padding;
        int64 [E], the place of each edge in the first, flattened.
    """
    order = torch.argsort(atoms, stable=True)  # [E], edges by atom
    degrees = torch.bincount(atoms, minlength=count)  # [N]
    starts = degrees.cumsum(0) - degrees  # [N], the first position in order of each atom
    largest = int(degrees.max()) if len(atoms) else 0
    slots = torch.arange(largest, device=atoms.device)  # [K]
    groups = order[(starts[:, None] + slots).clamp(max=max(len(atoms) - 1, 0))]  # [N, K]
    ranks = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))  # [E]
    places = atoms * largest + ranks - starts[atoms]
    return groups, slots < degrees[:, None], places
