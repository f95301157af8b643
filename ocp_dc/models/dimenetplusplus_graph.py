"""The triplets of DimeNet++, as blocks of edges in and out of each atom."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from ocp_dc.models.graph import EdgeGraph


@dataclasses.dataclass(frozen=True)
class TripletGraph:
    """Edges j -> i, and triplets k -> j -> i as a block of pairs for each atom j; carries no gradient.

    Args:
        edges: the edges.
        incoming: int64 [N, K], the edges k -> j that end at each atom j, padded with arbitrary edges.
        outgoing: int64 [N, M], the edges j -> i that begin at each atom j, padded with arbitrary edges.
        triplets: bool [N, K, M], true for a triplet, false for padding and for an edge followed by its reverse.
        places: int64 [E], the place of each edge in ``outgoing.flatten()``.
    """

    edges: EdgeGraph
    incoming: Tensor
    outgoing: Tensor
    triplets: Tensor
    places: Tensor


def triplet_graph(edges: EdgeGraph) -> TripletGraph:
    """Return the triplets of edges k -> j and j -> i, without those in which k is i in the same periodic image."""
    count = len(edges.batch)
    incoming, into, _ = padded_groups(edges.target, count)
    outgoing, out_of, places = padded_groups(edges.source, count)
    back = edges.source[incoming][:, :, None] == edges.target[outgoing][:, None]  # [N, K, M]
    images = edges.images[incoming][:, :, None] + edges.images[outgoing][:, None]  # [N, K, M, 3]
    triplets = into[:, :, None] & out_of[:, None] & ~(back & (images == 0).all(-1))
    return TripletGraph(edges, incoming, outgoing, triplets, places)


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
