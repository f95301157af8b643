"""The triplets of DimeNet++, as blocks of edges in and out of each atom."""

from __future__ import annotations

import dataclasses

from torch import Tensor

from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.triplets import padded_groups


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
