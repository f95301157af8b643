"""GemNet-dT's graph: pairs of atoms, each an edge in both directions, and the edges that end at each atom."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.triplets import padded_groups


@dataclasses.dataclass(frozen=True)
class GemNetGraph:
    """P pairs of atoms and their 2P edges: first each pair as it is, then each pair reversed.

    Edge e and edge e + P are the two directions of a pair. Two edges c -> a and b -> a that end at the same atom make a
    triplet, so that the triplets of an atom are all combinations of two of its incoming edges.

    Args:
        pairs: the P pairs; no pair is in it twice.
        source: int64 [2P], the atom at which each edge begins.
        target: int64 [2P], the atom at which each edge ends.
        incoming: int64 [N, K], the edges that end at each atom, padded with any valid edge.
        is_edge: bool [N, K], false for padding.
        slots: int64 [2P], the place of each edge in ``incoming``, flattened.
    """

    pairs: EdgeGraph
    source: Tensor
    target: Tensor
    incoming: Tensor
    is_edge: Tensor
    slots: Tensor


def gemnet_graph(edges: EdgeGraph, *, later: bool = False) -> GemNetGraph:
    """Return the graph of the pairs of atoms that :func:`symmetric_pairs` keeps, in both directions."""
    pairs = symmetric_pairs(edges, later=later)
    source, target = torch.cat([pairs.source, pairs.target]), torch.cat([pairs.target, pairs.source])
    incoming, is_edge, slots = padded_groups(target, len(edges.batch))
    return GemNetGraph(pairs, source, target, incoming, is_edge, slots)


def symmetric_pairs(edges: EdgeGraph, *, later: bool = False) -> EdgeGraph:
    """Return one direction of each pair of atoms, to be reversed for the other.

    Kept are j -> i with j < i and, between images of one atom, those from an earlier cell. An edge whose reverse was
    cut (by a limit on the neighbors of an atom) is so either completed or dropped, as in fairchem.

    Args:
        edges: the edges.
        later: whether those from a later cell are kept instead, as in fairchem's GemNet-OC.
    """
    return edges.select(is_first(edges.source, edges.target, -edges.images if later else edges.images))


def is_first(source: Tensor, target: Tensor, images: Tensor) -> Tensor:
    """Return which edges are the kept ones of their pairs, bool [E]; TorchScript can compile it.

    Args:
        source: int64 [E].
        target: int64 [E].
        images: int64 [E, 3].
    """
    x, y, z = images.unbind(dim=1)  # [E] each
    earlier = (x < 0) | ((x == 0) & ((y < 0) | ((y == 0) & (z < 0))))
    return (source < target) | ((source == target) & earlier)
