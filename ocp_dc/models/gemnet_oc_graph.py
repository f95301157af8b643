"""GemNet-OC's graphs: edges with features, edges of atoms to edges and of atoms to atoms, and edges of quadruplets."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from ocp_dc.models.gemnet_graph import GemNetGraph, gemnet_graph
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.triplets import padded_groups


@dataclasses.dataclass(frozen=True)
class GemNetOCEdges(EdgeGraph):
    """The edges of the largest of GemNet-OC's graphs, and which of them belong to the others.

    Args:
        main: int64, the numbers of the edges with features; None for all.
        mixed: int64, those between atoms and edges; None for all.
        inner: int64, those in the middle of quadruplets; None for all.
    """

    main: Tensor | None = None
    mixed: Tensor | None = None
    inner: Tensor | None = None


@dataclasses.dataclass(frozen=True)
class Neighbors:
    """Edges, and the edges that end at each atom.

    Args:
        edges: E edges.
        incoming: int64 [N, L], the edges that end at each atom, padded with any valid edge.
        is_edge: bool [N, L], false for padding.
    """

    edges: EdgeGraph
    incoming: Tensor
    is_edge: Tensor


@dataclasses.dataclass(frozen=True)
class MixedTriplets:
    """Triplets c -> a <- b of a main edge c -> a and another edge b -> a.

    Args:
        others: the edges b -> a.
        is_triplet: bool [N, K, L], whether two edges that end at an atom are different, and not padding.
    """

    others: Neighbors
    is_triplet: Tensor


@dataclasses.dataclass(frozen=True)
class Quadruplets:
    """Quadruplets c -> a <- b <- d of main edges c -> a and d -> b and an inner edge b -> a.

    Args:
        inner: Q edges b -> a.
        outer: int64 [Q, K], the edges c -> a of each, padded.
        inputs: int64 [Q, K], the edges d -> b of each, padded.
        is_quadruplet: bool [Q, K, K], by c and d: whether the four atoms are different, and no edge is padding.
    """

    inner: EdgeGraph
    outer: Tensor
    inputs: Tensor
    is_quadruplet: Tensor


@dataclasses.dataclass(frozen=True)
class GemNetOCGraph:
    """The graphs of a batch; None for those of interactions that a model does not have.

    Args:
        main: the edges with features, each pair of atoms in both directions.
        is_triplet: bool [N, K, K], whether two main edges that end at an atom are different, and not padding.
        mixed: triplets of main edges and edges between atoms and edges.
        quadruplets: quadruplets of main edges and inner edges.
        atoms: the edges between atoms.
    """

    main: GemNetGraph
    is_triplet: Tensor
    mixed: MixedTriplets | None
    quadruplets: Quadruplets | None
    atoms: Neighbors | None


def gemnet_oc_graph(edges: EdgeGraph, *, mixed: bool, quadruplets: bool, atoms: bool) -> GemNetOCGraph:
    """Return the graphs of the edges.

    Args:
        edges: a :class:`GemNetOCEdges`, or the edges of all graphs.
        mixed: whether there are interactions of atoms and edges.
        quadruplets: whether there are interactions of quadruplets.
        atoms: whether there are interactions of atoms.
    """
    rows = edges if isinstance(edges, GemNetOCEdges) else GemNetOCEdges(**vars(edges))
    main = gemnet_graph(_part(edges, rows.main), later=True)
    places = _Places(edges)
    starts = places.of(main.pairs)
    starts = torch.cat([starts + main.source[: len(starts)], main.source[len(starts) :] - starts])  # [2P]
    starts = starts.index_select(0, main.incoming.flatten()).view_as(main.incoming)  # [N, K]
    return GemNetOCGraph(
        main,
        _different(starts, main.is_edge, starts, main.is_edge),
        _mixed_triplets(main, starts, _part(edges, rows.mixed), places) if mixed else None,
        _quadruplets(main, starts, _part(edges, rows.inner), places) if quadruplets else None,
        _neighbors(_part(edges, None)) if atoms else None,
    )


class _Places:
    """Numbers of cells: with the number of an atom added, they are equal for the same atom in the same cell only.

    They are linear in the images, so that the numbers of cells along a path add up.
    """

    def __init__(self, edges: EdgeGraph) -> None:
        images = edges.images.long()
        width = 4 * images.abs().amax() + 1 if len(images) else images.new_ones(())  # for sums of two images
        self._factors = torch.stack([width * width, width, torch.ones_like(width)]) * len(edges.batch)  # [3]

    def of(self, edges: EdgeGraph) -> Tensor:
        """Return the number of the cell of each edge's source, if its target is in the first cell, [E]."""
        return (edges.images.long() * self._factors).sum(1)


def _part(edges: EdgeGraph, rows: Tensor | None) -> EdgeGraph:
    every = EdgeGraph(edges.source, edges.target, edges.offsets, edges.images, edges.batch, edges.natoms)
    return every if rows is None else every.select(rows)


def _neighbors(edges: EdgeGraph) -> Neighbors:
    incoming, is_edge, _ = padded_groups(edges.target, len(edges.batch))
    return Neighbors(edges, incoming, is_edge)


def triplets_of_inputs(main: GemNetGraph, quadruplets: Quadruplets) -> Tensor:
    """Return whether the edge d -> b is not padding and d is not a, for each of ``quadruplets.inputs``, bool [Q, K]."""
    images = torch.cat([main.pairs.images, -main.pairs.images])  # [2P, 3], of the sources
    inner, edges = quadruplets.inner, quadruplets.inputs
    is_back = (images[edges] == -inner.images[:, None]).all(-1) & (main.source[edges] == inner.target[:, None])
    return main.is_edge[inner.source] & ~is_back


def _different(ends: Tensor, are_edges: Tensor, other_ends: Tensor, are_others: Tensor) -> Tensor:
    """Return whether rows [M, K] and [M, L] of edges are not padding and begin in different places, bool [M, K, L]."""
    return are_edges[:, :, None] & are_others[:, None] & (ends[:, :, None] != other_ends[:, None])


def _mixed_triplets(main: GemNetGraph, starts: Tensor, edges: EdgeGraph, places: _Places) -> MixedTriplets:
    others = _neighbors(edges)
    sources = (places.of(edges) + edges.source).index_select(0, others.incoming.flatten()).view_as(others.incoming)
    return MixedTriplets(others, _different(starts, main.is_edge, sources, others.is_edge))


def _quadruplets(main: GemNetGraph, starts: Tensor, inner: EdgeGraph, places: _Places) -> Quadruplets:
    b, a = inner.source, inner.target  # [Q] each
    cell = places.of(inner)
    c, d = starts[a], starts[b] + cell[:, None]  # [Q, K] each
    is_outer = main.is_edge[a] & (c != (b + cell)[:, None])
    is_input = main.is_edge[b] & (d != a[:, None])
    return Quadruplets(inner, main.incoming[a], main.incoming[b], _different(c, is_outer, d, is_input))
