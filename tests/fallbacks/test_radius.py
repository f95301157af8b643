"""Radius graphs against loops over all pairs, on a grid: so that distances tie and lie on the cutoff exactly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.fallbacks.radius import radius_graph

many = settings(deadline=None, max_examples=80)
grid = st.tuples(*[st.integers(-2, 2)] * 3)
# Points of several graphs; a graph may be empty (its number left out) or have a single point.
batches = st.lists(st.lists(grid, max_size=7), max_size=4)


def tensors(graphs: list[list[tuple[int, int, int]]], dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    points = [p for graph in graphs for p in graph]
    batch = [number for number, graph in enumerate(graphs) for _ in graph]
    return torch.tensor(points, dtype=dtype).view(-1, 3), torch.tensor(batch, dtype=torch.int64)


def brute_force(x: torch.Tensor, batch: torch.Tensor, squared_r: int, loop: bool, limit: int | None) -> list[list[int]]:
    """Return [neighbor, point] pairs, sorted by point, then neighbor; whole-number positions, so all is exact."""
    points, edges = x.tolist(), []
    for i, center in enumerate(points):
        near = []
        for j, other in enumerate(points):
            squared = sum((a - b) ** 2 for a, b in zip(center, other, strict=True))
            if batch[i] == batch[j] and squared <= squared_r and (loop or i != j):
                near.append((squared, j))
        edges += [[j, i] for j in sorted(j for _, j in sorted(near)[:limit])]
    return edges


@many
@given(batches, st.integers(0, 5), st.booleans(), st.sampled_from([None, 0, 1, 3, 32]), st.booleans())
def test_radius_graph_is_the_loop(graphs, r, loop, limit, single_precision):
    x, batch = tensors(graphs, torch.float32 if single_precision else torch.float64)
    edges = radius_graph(x, float(r), batch, loop=loop, max_num_neighbors=limit)
    assert edges.dtype == torch.int64
    assert edges.shape[0] == 2
    assert edges.T.tolist() == brute_force(x, batch, r * r, loop, limit)


@many
@given(st.lists(grid, max_size=8), st.integers(0, 5))
def test_without_a_batch_all_points_are_one_graph(points, r):
    x = torch.tensor(points, dtype=torch.float64).view(-1, 3)
    one = torch.zeros(len(x), dtype=torch.int64)
    assert torch.equal(radius_graph(x, float(r)), radius_graph(x, float(r), one))


def test_flow_swaps_the_rows():
    x = torch.tensor([0.0, 1.0, 3.0, 3.5])  # one-dimensional positions are allowed
    forward = radius_graph(x, 2.1, max_num_neighbors=1)
    assert forward.tolist() == [[1, 0, 3, 2], [0, 1, 2, 3]]
    assert torch.equal(radius_graph(x, 2.1, max_num_neighbors=1, flow="target_to_source"), forward.flip(0))


def test_no_gradient_flows_through_it_and_positions_stay():
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    before = x.detach().clone()
    assert not radius_graph(x, 5.0).requires_grad
    assert torch.equal(x, before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same_edges():
    generator = torch.Generator().manual_seed(0)
    x, batch = torch.randint(-3, 4, (60, 3), generator=generator).double(), torch.arange(6).repeat_interleave(10)
    expected = radius_graph(x, 3.0, batch, max_num_neighbors=4)
    assert torch.equal(radius_graph(x.cuda(), 3.0, batch.cuda(), max_num_neighbors=4).cpu(), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"r": 1.0, "flow": "both"}, "expected one of source_to_target, target_to_source"),
        ({"r": -1.0}, "r=-1.0"),
        ({"r": float("nan")}, "r=nan"),
        ({"r": 1.0, "batch": torch.tensor([0, 1, 0])}, "in ascending order"),
        ({"r": 1.0, "batch": torch.tensor([0, 0])}, r"shape \(2,\), expected 3"),
    ],
)
def test_what_it_cannot_do_is_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        radius_graph(torch.zeros(3, 3), **arguments)
