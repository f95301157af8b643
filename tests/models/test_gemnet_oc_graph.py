"""GemNet-OC's graphs against a search by hand."""

from __future__ import annotations

import dataclasses
import itertools

import torch
from torch import Tensor

from ocp_dc.models.gemnet_oc_graph import GemNetOCEdges, GemNetOCGraph, gemnet_oc_graph
from ocp_dc.models.graph import EdgeGraph

Place = tuple[int, tuple[int, ...]]  # an atom and its cell


def all_edges() -> EdgeGraph:
    """Edges of two crystals, of two atoms and of one, to the next cells, in an order by target."""
    batch, natoms = torch.tensor([0, 0, 1]), torch.tensor([2, 1])
    cells = [cell for cell in itertools.product((-1, 0, 1), repeat=3) if sum(map(abs, cell)) < 2]
    rows = [
        (source, target, cell)
        for target in range(3)
        for source in range(3)
        for cell in cells
        if batch[source] == batch[target] and (source != target or cell != (0, 0, 0))
    ]
    source, target = (torch.tensor([row[end] for row in rows]) for end in (0, 1))
    images = torch.tensor([row[2] for row in rows])
    return EdgeGraph(source, target, 2.0 * images, images, batch, natoms)


def layered() -> GemNetOCEdges:
    """Different edges in each graph; some main edges lack their reverse."""
    edges = all_edges()
    every = torch.arange(len(edges.source))
    return GemNetOCEdges(**vars(edges), main=every[every % 7 != 3], mixed=every[every % 3 > 0], inner=every[::2])


def build(edges: EdgeGraph) -> GemNetOCGraph:
    return gemnet_oc_graph(edges, mixed=True, quadruplets=True, atoms=True)


def ends(edges: EdgeGraph) -> list[tuple[Place, int]]:
    """The source and its cell, and the target, of each edge."""
    rows = zip(edges.source.tolist(), edges.images.tolist(), edges.target.tolist(), strict=True)
    return [((source, tuple(image)), target) for source, image, target in rows]


def main_ends(graph: GemNetOCGraph) -> list[tuple[Place, int]]:
    pairs = graph.main.pairs
    reverse = dataclasses.replace(pairs, source=pairs.target, target=pairs.source, images=-pairs.images)
    return ends(pairs) + ends(reverse)


def moved(place: Place, cell: tuple[int, ...]) -> Place:
    return place[0], tuple(one + other for one, other in zip(place[1], cell, strict=True))


def marked(mask: Tensor, *rows: Tensor) -> list[tuple[int, ...]]:
    """The numbers of the edges of each true entry, in an ascending order."""
    return sorted(tuple(int(row[index]) for row, index in zip(rows, entry, strict=True)) for entry in _entries(mask))


def _entries(mask: Tensor) -> list[tuple[tuple[int, int], ...]]:
    return [tuple((group, place) for place in places) for group, *places in mask.nonzero().tolist()]


def test_main_edges_are_in_both_directions() -> None:
    edges = layered()
    graph = build(edges)
    found = main_ends(graph)
    chosen = ends(edges.select(edges.main))
    assert len(set(found)) == len(found)
    for (source, cell), target in found:
        negative = tuple(-x for x in cell)
        assert ((target, negative), source) in found
        # of the images of an atom, fairchem's GemNet-OC keeps the later cell
        first = source < target or (source == target and cell > (0, 0, 0))
        assert (((source, cell), target) if first else ((target, negative), source)) in chosen


def test_triplets() -> None:
    graph = build(layered())
    assert graph.mixed is not None
    main, others = main_ends(graph), ends(graph.mixed.others.edges)
    incoming = graph.main.incoming
    expected = [(c, b) for c, b in itertools.permutations(range(len(main)), 2) if main[c][1] == main[b][1]]
    assert marked(graph.is_triplet, incoming, incoming) == sorted(expected)
    mixed = [
        (c, b)
        for c, b in itertools.product(range(len(main)), range(len(others)))
        if main[c][1] == others[b][1] and main[c][0] != others[b][0]
    ]
    assert marked(graph.mixed.is_triplet, incoming, graph.mixed.others.incoming) == sorted(mixed)


def test_quadruplets() -> None:
    """d -> b, b -> a and c -> a with four different atoms, images of an atom counted as different ones."""
    graph = build(layered())
    quadruplets = graph.quadruplets
    assert quadruplets is not None
    main, inner = main_ends(graph), ends(quadruplets.inner)
    expected = []
    for q, ((b, cell), a) in enumerate(inner):
        for (c, (place_c, target_c)), (d, (place_d, target_d)) in itertools.product(enumerate(main), repeat=2):
            places = {(a, (0, 0, 0)), (b, cell), place_c, moved(place_d, cell)}
            if target_c == a and target_d == b and len(places) == 4:
                expected.append((q, c, d))
    numbers = torch.arange(len(inner))[:, None, None].expand_as(quadruplets.is_quadruplet)[quadruplets.is_quadruplet]
    found = [
        (q, int(quadruplets.outer[q, c]), int(quadruplets.inputs[q, d]))
        for q, c, d in quadruplets.is_quadruplet.nonzero().tolist()
    ]
    assert len(numbers) == len(found) > 1000
    assert sorted(found) == sorted(expected)


def test_without_a_choice_all_graphs_have_all_edges() -> None:
    edges = all_edges()
    graph = build(edges)
    assert graph.mixed is not None
    assert graph.quadruplets is not None
    assert graph.atoms is not None
    for part in (graph.mixed.others.edges, graph.quadruplets.inner, graph.atoms.edges):
        assert torch.equal(part.images, edges.images)
    assert sorted(main_ends(graph)) == sorted(ends(edges))


def test_parts_that_a_model_lacks() -> None:
    graph = gemnet_oc_graph(layered(), mixed=False, quadruplets=False, atoms=False)
    assert graph.mixed is graph.quadruplets is graph.atoms is None


def test_no_edges() -> None:
    nothing = all_edges().select(torch.zeros(0, dtype=torch.int64))
    graph = build(nothing)
    assert graph.main.incoming.shape == (3, 0)
    assert graph.quadruplets is not None
    assert graph.quadruplets.is_quadruplet.shape == (0, 0, 0)
