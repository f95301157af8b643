"""Pairs of edges in opposite directions, which share what depends on their distance only."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.scatter import scatter_sum


@dataclasses.dataclass(frozen=True)
class PairGraph:
    """Edges in two parts: one of each pair, then the opposite ones; carries no gradient.

    The pairs with both edges come first, so that edge P + m is opposite to edge m. M < P only if some edges have no
    opposite, which happens where the number of neighbors is limited.

    Args:
        first: P edges, one of each pair.
        source: int64 [M], the atom j of each opposite edge.
        target: int64 [M], the atom i of each opposite edge.
    """

    first: EdgeGraph
    source: Tensor
    target: Tensor


def pair_edges(edges: EdgeGraph) -> PairGraph:
    """Match each edge with the opposite one: the same atoms, exchanged, and the opposite image.

    The edges between an atom and its images are matched too. Any graph is valid: an edge that occurs twice is matched
    with itself, which makes no difference to functions of the distance.
    """
    key = _keys(edges)  # [E]
    order = torch.argsort(key, stable=True)
    key = key[order]
    place = torch.arange(len(key), device=key.device)
    starts = torch.ones_like(key, dtype=torch.bool)
    starts[1:] = key[1:] != key[:-1]
    rank = place - torch.where(starts, place, 0).cummax(0).values  # [E], the place among edges with the same key
    opposite = rank % 2 == 1
    matched = torch.zeros_like(opposite)
    matched[:-1] = opposite[1:]  # opposite edges follow the edges that they match
    pairs, singles, others = order[matched], order[~(matched | opposite)], order[opposite]
    rows = torch.cat([pairs, singles])
    return PairGraph(_select(edges, rows), edges.source[others], edges.target[others])


def unpaired(edges: EdgeGraph) -> PairGraph:
    """Return all edges, in their order, as pairs without an opposite edge."""
    return PairGraph(edges, edges.source[:0], edges.target[:0])


def convolve(x: Tensor, filters: Tensor, graph: PairGraph) -> Tensor:
    """Return the sum over the edges of each atom of the features of its neighbor times the filter of their pair.

    Args:
        x: features of atoms, [N, F].
        filters: [P, F], one for both edges of a pair.
        graph: the pairs.

    Returns:
        [N, F], differentiable as often as wanted.
    """
    source = torch.cat([graph.first.source, graph.source])  # [E]
    target = torch.cat([graph.first.target, graph.target])  # [E]
    result: Tensor = _Convolution.apply(x, filters, source, target)
    return result


class _Convolution(torch.autograd.Function):
    """Sum over edges e: j -> i of x_j * filters_e; bilinear, so that it saves its inputs only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, filters: Tensor, source: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(x, filters, source, target)
        messages = x.index_select(0, source)  # [E, F]
        pairs = len(filters)
        opposite = len(source) - pairs
        messages = torch.cat([messages[:pairs] * filters, messages[pairs:] * filters[:opposite]])
        return scatter_sum(messages, target, len(x))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, filters, source, target = ctx.saved_tensors
        x_grad = _Convolution.apply(grad, filters, target, source) if ctx.needs_input_grad[0] else None
        filter_grad = _Correlation.apply(x, grad, len(filters), source, target) if ctx.needs_input_grad[1] else None
        return x_grad, filter_grad, None, None


class _Correlation(torch.autograd.Function):
    """x_j * y_i of each edge e: j -> i, added up over the edges of a pair: the gradient by the filters."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, pairs: int, source: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(x, y, source, target)
        products = x.index_select(0, source) * y.index_select(0, target)  # [E, F]
        opposite = len(source) - pairs
        return torch.cat([products[:opposite] + products[pairs:], products[opposite:pairs]])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        x, y, source, target = ctx.saved_tensors
        x_grad = _Convolution.apply(y, grad, target, source) if ctx.needs_input_grad[0] else None
        y_grad = _Convolution.apply(x, grad, source, target) if ctx.needs_input_grad[1] else None
        return x_grad, y_grad, None, None, None


def _keys(edges: EdgeGraph) -> Tensor:
    """Return a number [E] for each edge that only the same and the opposite edge have; no synchronization."""
    source, target, images = edges.source, edges.target, edges.images.long()
    width = 2 * images.abs().amax() + 1 if len(source) else 1
    middle = width // 2
    image = ((images[:, 0] * width) + images[:, 1]) * width + images[:, 2]  # [E], odd: the opposite image is -image
    forward = torch.where(source == target, image > 0, source < target)
    low, high = torch.minimum(source, target), torch.maximum(source, target)
    image = torch.where(forward, image, -image) + middle * (width * width + width + 1)  # from 0 on
    return (low * len(edges.batch) + high) * width**3 + image


def _select(edges: EdgeGraph, rows: Tensor) -> EdgeGraph:
    return dataclasses.replace(
        edges,
        source=edges.source[rows],
        target=edges.target[rows],
        offsets=edges.offsets[rows],
        images=edges.images[rows],
    )
