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
    return TripletGraph(edges, *triplet_blocks(edges.source, edges.target, edges.images, len(edges.batch)))


def triplet_blocks(source: Tensor, target: Tensor, images: Tensor, atoms: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ``incoming``, ``outgoing``, ``triplets`` and ``places`` of a :class:`TripletGraph`.

    TorchScript can compile it.

    Args:
        source: int64 [E].
        target: int64 [E].
        images: int64 [E, 3].
        atoms: the number of atoms, N.
    """
    incoming, into, _ = padded_groups(target, atoms)
    outgoing, out_of, places = padded_groups(source, atoms)
    back = source[incoming][:, :, None] == target[outgoing][:, None]  # [N, K, M]
    both = images[incoming][:, :, None] + images[outgoing][:, None]  # [N, K, M, 3]
    triplets = into[:, :, None] & out_of[:, None] & ~(back & (both == 0).all(-1))
    return incoming, outgoing, triplets, places
