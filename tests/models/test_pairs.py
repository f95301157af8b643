"""Pairs of edges and their convolution, against brute force."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.pairs import PairGraph, convolve, pair_edges, unpaired

Edge = tuple[int, int, int, int, int]  # source, target, image
ATOMS = 4
ATOM, IMAGE = st.integers(0, ATOMS - 1), st.integers(-3, 3)
EDGES = st.lists(st.tuples(ATOM, ATOM, IMAGE, IMAGE, IMAGE), unique=True, max_size=40)


def opposite(edge: Edge) -> Edge:
    source, target, *image = edge
    return (target, source, -image[0], -image[1], -image[2])


def graph_of(edges: list[Edge]) -> EdgeGraph:
    """Edges whose offsets are their images in a cell of 2 Å."""
    table = torch.tensor(edges, dtype=torch.int64).view(-1, 5)
    batch, natoms = torch.zeros(ATOMS, dtype=torch.int64), torch.tensor([ATOMS])
    return EdgeGraph(table[:, 0], table[:, 1], 2.0 * table[:, 2:], table[:, 2:], batch, natoms)


def edges_of(graph: EdgeGraph) -> list[Edge]:
    return list(map(tuple, torch.cat([torch.stack([graph.source, graph.target], 1), graph.images], 1).tolist()))


@given(EDGES, st.randoms(use_true_random=False))
def test_all_opposite_edges_are_matched(found: list[Edge], random) -> None:
    """Also images of one atom, and edges without an opposite."""
    edges = [edge for edge in found if edge[0] != edge[1] or any(edge[2:])]
    edges = list(dict.fromkeys([*edges, *(opposite(edge) for edge in edges if random.random() < 0.7)]))
    random.shuffle(edges)
    pairs = pair_edges(graph_of(edges))
    first, others = edges_of(pairs.first), list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True))
    matched = {frozenset((edge, opposite(edge))) for edge in edges if opposite(edge) in edges}
    assert len(others) == len(matched)
    assert {frozenset((edge, opposite(edge))) for edge in first[: len(others)]} == matched
    assert others == [opposite(edge)[:2] for edge in first[: len(others)]]
    rest = first[len(others) :]
    assert sorted(rest) == sorted(edge for edge in edges if opposite(edge) not in edges)
    assert torch.equal(pairs.first.offsets, 2.0 * pairs.first.images)


def test_images_as_floats() -> None:
    """As fairchem has them."""
    graph = graph_of([(0, 1, 0, 0, 1), (1, 0, 0, 0, -1), (2, 2, 0, 1, 0), (2, 2, 0, -1, 0)])
    pairs = pair_edges(dataclasses.replace(graph, images=graph.images.float()))
    assert len(pairs.source) == 2


def test_no_edges() -> None:
    for make in (pair_edges, unpaired):
        pairs = make(graph_of([]))
        x = torch.ones(ATOMS, 3, requires_grad=True)
        sums = convolve(x, torch.ones(0, 3), pairs)
        assert torch.equal(sums, torch.zeros(ATOMS, 3))
        assert torch.equal(torch.autograd.grad(sums.sum(), x)[0], torch.zeros(ATOMS, 3))


def test_unpaired_keeps_the_order() -> None:
    graph = graph_of([(0, 1, 0, 0, 0), (1, 0, 0, 0, 0)])
    assert unpaired(graph).first is graph
    assert not len(unpaired(graph).source)


def by_loop(x: Tensor, filters: Tensor, pairs: PairGraph) -> Tensor:
    rows = [x.new_zeros(x.shape[1]) for _ in x]
    for edges in ((pairs.first.source, pairs.first.target), (pairs.source, pairs.target)):
        for row, (source, target) in enumerate(zip(*(index.tolist() for index in edges), strict=True)):
            rows[target] = rows[target] + x[source] * filters[row]
    return torch.stack(rows)


# two pairs, a pair of images of one atom, and an edge without an opposite
SOME = [(0, 1, 0, 0, 0), (1, 0, 0, 0, 0), (3, 1, 1, 0, 0), (2, 2, 0, 1, 0), (1, 3, -1, 0, 0), (2, 2, 0, -1, 0)]
SOME.append((0, 3, 0, 0, 1))


@pytest.mark.parametrize("make", [pair_edges, unpaired])
def test_convolution(make) -> None:
    """The sums, and their derivatives by features and filters up to the second order."""
    pairs = make(graph_of(SOME))
    torch.manual_seed(0)
    x = torch.randn(ATOMS, 2, dtype=torch.float64, requires_grad=True)
    filters = torch.randn(len(pairs.first.source), 2, dtype=torch.float64, requires_grad=True)
    assert len(filters) == (4 if make is pair_edges else len(SOME))
    torch.testing.assert_close(convolve(x, filters, pairs), by_loop(x, filters, pairs))
    assert torch.autograd.gradcheck(lambda x, f: convolve(x, f, pairs), (x, filters))
    assert torch.autograd.gradgradcheck(lambda x, f: convolve(x, f, pairs), (x, filters))
    third = []
    for function in (convolve, by_loop):  # of a function that is not linear in either
        value = function(x.sin(), filters.square(), pairs).pow(3).sum()
        for _ in range(3):
            gradients = torch.autograd.grad(value, (x, filters), create_graph=True)
            value = torch.stack([gradient.square().sum() for gradient in gradients]).sum()
        third.append(value)
    torch.testing.assert_close(*third)
