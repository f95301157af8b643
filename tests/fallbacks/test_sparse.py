"""The sparse matrix, and the triplets and quadruplets that fairchem enumerates with it, against loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.fallbacks.sparse import SparseTensor

ATOMS = 4
# Edges (source, target), repeats included: a periodic graph has several between the same two atoms.
graphs = st.lists(st.tuples(st.integers(0, ATOMS - 1), st.integers(0, ATOMS - 1)), min_size=1, max_size=14)
many = settings(deadline=None, max_examples=60)


def adjacency(edges: list[tuple[int, int]]) -> tuple[SparseTensor, torch.Tensor, torch.Tensor]:
    """Return the matrix of edge numbers, rows targets and columns sources, as every model builds it."""
    source, target = torch.tensor(edges).T
    value = torch.arange(len(edges))
    return SparseTensor(row=target, col=source, value=value, sparse_sizes=(ATOMS, ATOMS)), source, target


def incoming(edges: list[tuple[int, int]], atom: int) -> list[int]:
    """Return the edges that end in ``atom``, by source, then in the order in which they came."""
    return sorted((e for e, (_, target) in enumerate(edges) if target == atom), key=lambda e: edges[e][0])


@many
@given(graphs)
def test_entries_are_sorted_stably_and_all_kept(edges):
    adj, source, target = adjacency(edges)
    expected = [e for atom in range(ATOMS) for e in incoming(edges, atom)]
    row, col, value = adj.coo()
    assert value.tolist() == expected
    assert row.tolist() == target[expected].tolist()
    assert col.tolist() == source[expected].tolist()
    assert adj.sparse_sizes() == (ATOMS, ATOMS)


@many
@given(graphs, st.lists(st.integers(0, ATOMS - 1), max_size=9))
def test_rows_are_selected_with_repeats(edges, rows):
    adj, source, _ = adjacency(edges)
    chosen = adj[torch.tensor(rows, dtype=torch.int64)]
    expected = [(k, e) for k, atom in enumerate(rows) for e in incoming(edges, atom)]
    assert chosen.storage.row().tolist() == [k for k, _ in expected]
    assert chosen.storage.value().tolist() == [e for _, e in expected]
    assert chosen.storage.col().tolist() == [source[e] for _, e in expected]
    assert chosen.sparse_sizes() == (len(rows), ATOMS)


@many
@given(graphs)
def test_row_sums(edges):
    adj, _, target = adjacency(edges)
    assert adj.set_value(None).sum(dim=1).tolist() == [target.tolist().count(atom) for atom in range(ATOMS)]
    assert adj.sum(dim=1).tolist() == [sum(incoming(edges, atom)) for atom in range(ATOMS)]
    assert adj.storage.value() is not None  # set_value left the matrix itself alone


@many
@given(graphs)
def test_triplets_of_dimenet(edges):
    """k -> j -> i for each edge j -> i, i itself excepted, in the order that DimeNet++'s indices need."""
    adj_t, row, col = adjacency(edges)
    adj_t_row = adj_t[row]
    num_triplets = adj_t_row.set_value(None).sum(dim=1).to(torch.long)
    idx_i, idx_j = col.repeat_interleave(num_triplets), row.repeat_interleave(num_triplets)
    storage: Any = adj_t_row.storage
    idx_k, idx_kj, idx_ji = storage.col(), storage.value(), storage.row()
    mask = idx_i != idx_k
    actual = torch.stack([idx_i, idx_j, idx_k, idx_kj, idx_ji])[:, mask].T.tolist()

    assert actual == [
        [i, j, edges[kj][0], kj, ji]
        for ji, (j, i) in enumerate(edges)
        for kj in incoming(edges, j)
        if edges[kj][0] != i
    ]


@many
@given(graphs)
def test_triplets_of_gemnet(edges):
    """b -> a for each edge c -> a, the edge itself excepted."""
    adj, _, target = adjacency(edges)
    adj_edges = adj[target]
    storage: Any = adj_edges.storage
    ba, ca = storage.value(), storage.row()
    actual = torch.stack([ba, ca])[:, ba != ca].T.tolist()

    assert actual == [[ba, ca] for ca, (_, a) in enumerate(edges) for ba in incoming(edges, a) if ba != ca]


@many
@given(graphs, graphs)
def test_quadruplets_of_gemnet_oc(main, inter):
    """d -> b -> a <- c: for each edge c -> a and each interaction edge b -> a, every d -> b with d other than a.

    GemNet-OC masks the selected matrix, gives it the numbers of its entries in place, and selects from it once more.
    """
    adj, source, _ = adjacency(main)
    inter_source, inter_target = torch.tensor(inter).T
    edges_into_b = adj[inter_source]  # row: interaction edge b -> a, value: main edge d -> b
    row, col, value = edges_into_b.coo()
    mask = source[value] != inter_target[row]
    masked = SparseTensor(row=row[mask], col=col[mask], value=value[mask], sparse_sizes=edges_into_b.sparse_sizes())
    triplet_in, triplet_out = masked.storage.value().clone(), masked.storage.row()
    masked.set_value_(torch.arange(len(triplet_in)), layout="coo")
    triplets = [(ba, db) for ba, (b, a) in enumerate(inter) for db in incoming(main, b) if main[db][0] != a]
    assert list(zip(triplet_out.tolist(), triplet_in.tolist(), strict=True)) == triplets

    into_a = [[ba for ba in range(len(inter)) if inter[ba][1] == a] for _, a in main]
    chosen = torch.tensor([ba for edges in into_a for ba in edges], dtype=torch.int64)
    numbers = masked[chosen].storage.value()
    expected = [db for edges in into_a for ba in edges for other, db in triplets if other == ba]
    assert triplet_in[numbers].tolist() == expected


def test_values_may_have_dimensions_and_gradients():
    value = torch.arange(6.0, dtype=torch.float64).view(3, 2).requires_grad_()
    adj = SparseTensor(row=torch.tensor([1, 0, 1]), col=torch.tensor([2, 1, 0]), value=value)
    assert adj.sparse_sizes() == (2, 3)
    assert adj.storage.value().tolist() == [[2, 3], [4, 5], [0, 1]]
    adj.sum(dim=1)[1].sum().backward()
    assert value.grad.tolist() == [[1, 1], [0, 0], [1, 1]]


def test_an_empty_matrix():
    none = torch.zeros(0, dtype=torch.int64)
    adj = SparseTensor(row=none, col=none, value=none, sparse_sizes=(3, 3))
    assert adj[torch.tensor([2, 2])].storage.value().tolist() == []
    assert adj.sum(dim=1).tolist() == [0, 0, 0]
    assert SparseTensor(row=none, col=none).sparse_sizes() == (0, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: SparseTensor(row=torch.tensor([0]), col=torch.tensor([0, 1])), r"lengths \[1, 2\]"),
        (lambda a: SparseTensor(row=torch.tensor([3]), col=torch.tensor([0]), sparse_sizes=(3, 1)), r"\(4, 1\)"),
        (lambda a: a[0], "one-dimensional int64"),
        (lambda a: a[torch.tensor([True, False])], "one-dimensional int64"),
        (lambda a: a.set_value(torch.zeros(3)), "got 3 values, expected 2"),
        (lambda a: a.set_value_(torch.zeros(2), layout="csc"), "expected 'coo'"),
        (lambda a: a.sum(dim=0), "sums rows only"),
    ],
)
def test_what_it_cannot_do_is_refused(call, message):
    with pytest.raises(UserError, match=message):
        call(SparseTensor(row=torch.tensor([0, 1]), col=torch.tensor([1, 0])))
