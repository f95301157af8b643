"""GemNet-dT's graph against a search by hand."""

from __future__ import annotations

import itertools

import torch

from ocp_dc.models.gemnet_graph import gemnet_graph
from ocp_dc.models.graph import EdgeGraph


def graph_of(edges: list[tuple[int, int, tuple[int, int, int]]], atoms: int) -> EdgeGraph:
    """One structure with edges (j, i, images)."""
    source, target = (torch.tensor([edge[end] for edge in edges], dtype=torch.int64) for end in (0, 1))
    images = torch.tensor([edge[2] for edge in edges], dtype=torch.int64).view(-1, 3)
    offsets = 3.0 * images
    return EdgeGraph(source, target, offsets, images, torch.zeros(atoms, dtype=torch.int64), torch.tensor([atoms]))


# both directions of 0-1, one direction each of 1-2 and 0-2 (the other one was cut), and images of atom 0
EDGES = [
    (0, 1, (0, 0, 0)),
    (1, 0, (0, 0, 0)),
    (1, 2, (0, 1, 0)),
    (2, 0, (0, 0, -1)),
    (0, 0, (1, 0, 0)),
    (0, 0, (-1, 0, 0)),
    (0, 0, (0, 1, -1)),
    (0, 0, (0, -1, 1)),
    (3, 3, (0, 0, 2)),
    (3, 3, (0, 0, -2)),
]
# of the images, the earlier cell is kept
PAIRS = [EDGES[0], EDGES[2], EDGES[5], EDGES[7], EDGES[9]]


def test_pairs() -> None:
    graph = gemnet_graph(graph_of(EDGES, 4))
    found = zip(*(getattr(graph.pairs, name).tolist() for name in ("source", "target", "images")), strict=True)
    assert [(j, i, tuple(images)) for j, i, images in found] == PAIRS
    assert torch.equal(graph.pairs.offsets, 3.0 * graph.pairs.images)
    assert graph.source.tolist() == [0, 1, 0, 0, 3, 1, 2, 0, 0, 3]
    assert graph.target.tolist() == [1, 2, 0, 0, 3, 0, 1, 0, 0, 3]


def test_triplets_are_all_combinations_of_incoming_edges() -> None:
    graph = gemnet_graph(graph_of(EDGES, 4))
    assert graph.incoming.shape == graph.is_edge.shape == (4, 5)  # atom 0 has five, atom 2 one
    found = set()
    for row, mask in zip(graph.incoming.tolist(), graph.is_edge.tolist(), strict=True):
        edges = [edge for edge, valid in zip(row, mask, strict=True) if valid]
        found |= set(itertools.permutations(edges, 2))
    targets = graph.target.tolist()
    assert found == {(e, f) for e, f in itertools.permutations(range(10), 2) if targets[e] == targets[f]}
    assert torch.equal(graph.incoming.flatten()[graph.slots], torch.arange(10))
    assert graph.is_edge.flatten()[graph.slots].all()


def test_no_edges() -> None:
    graph = gemnet_graph(graph_of([], 2))
    assert graph.incoming.shape == graph.is_edge.shape == (2, 0)
    assert len(graph.source) == len(graph.slots) == 0


def test_selected_edges() -> None:
    edges = graph_of(EDGES, 4)
    chosen = edges.select(edges.source == 1)
    assert chosen.target.tolist() == [0, 2]
    assert chosen.images.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert torch.equal(chosen.offsets, 3.0 * chosen.images)
    assert chosen.natoms is edges.natoms
