"""Pairs of edges in opposite directions, which share what depends on their distance only."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.graph import EdgeGraph


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
    rows, others = pair_rows(edges.source, edges.target, edges.images, len(edges.batch))
    return PairGraph(edges.select(rows), edges.source[others], edges.target[others])


def pair_rows(source: Tensor, target: Tensor, images: Tensor, atoms: int) -> tuple[Tensor, Tensor]:
    """Return the numbers of one edge of each pair, int64 [P], and those of the opposite edges, int64 [M].

    TorchScript can compile it.

    Args:
        source: int64 [E].
        target: int64 [E].
        images: int64 [E, 3].
        atoms: the number of atoms, N.
    """
    key = _keys(source, target, images.long(), atoms)  # [E]
    order = torch.argsort(key, stable=True)
    key = key[order]
    place = torch.arange(len(key), device=key.device)
    starts = torch.ones_like(key, dtype=torch.bool)
    starts[1:] = key[1:] != key[:-1]
    rank = place - torch.where(starts, place, 0).cummax(0)[0]  # [E], the place among edges with the same key
    opposite = rank % 2 == 1
    matched = torch.zeros_like(opposite)
    matched[:-1] = opposite[1:]  # opposite edges follow the edges that they match
    pairs, singles, others = order[matched], order[~(matched | opposite)], order[opposite]
    return torch.cat([pairs, singles]), others


def unpaired(edges: EdgeGraph) -> PairGraph:
    """Return all edges, in their order, as pairs without an opposite edge."""
    return PairGraph(edges, edges.source[:0], edges.target[:0])


def convolve(x: Tensor, filters: Tensor, graph: PairGraph) -> Tensor:
    """Return the sum over the edges j -> i of each atom i of x_j times the filter of the edge's pair.

    Args:
        x: features of atoms, [N, F].
        filters: [P, F], one for both edges of a pair.
        graph: the pairs.

    Returns:
        [N, F], differentiable as often as wanted.
    """
    result: Tensor = _Convolution.apply(x, filters, graph.first.source, graph.first.target, graph.source, graph.target)
    return result


class _Convolution(torch.autograd.Function):
    """The sums of :func:`convolve`; they are bilinear, so that only the inputs are saved."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, filters: Tensor, source: Tensor, target: Tensor, sources: Tensor, targets: Tensor
    ) -> Tensor:
        ctx.save_for_backward(x, filters, source, target, sources, targets)
        sums = torch.zeros_like(x).index_add_(0, target, x.index_select(0, source).mul_(filters))
        return sums.index_add_(0, targets, x.index_select(0, sources).mul_(filters[: sources.shape[0]]))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, filters, source, target, sources, targets = ctx.saved_tensors
        x_grad = filter_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = _Convolution.apply(grad, filters, target, source, targets, sources)
        if ctx.needs_input_grad[1]:
            filter_grad = _Correlation.apply(x, grad, source, target, sources, targets)
        return x_grad, filter_grad, None, None, None, None


class _Correlation(torch.autograd.Function):
    """x_j y_i, added up over both edges j -> i of a pair, [P, F]: the gradient of :func:`convolve` by the filters."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, source: Tensor, target: Tensor, sources: Tensor, targets: Tensor
    ) -> Tensor:
        ctx.save_for_backward(x, y, source, target, sources, targets)
        products = x.index_select(0, source).mul_(y.index_select(0, target))
        products[: sources.shape[0]].addcmul_(x.index_select(0, sources), y.index_select(0, targets))
        return products

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y, source, target, sources, targets = ctx.saved_tensors
        x_grad = y_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = _Convolution.apply(y, grad, target, source, targets, sources)
        if ctx.needs_input_grad[1]:
            y_grad = _Convolution.apply(x, grad, source, target, sources, targets)
        return x_grad, y_grad, None, None, None, None


def _keys(source: Tensor, target: Tensor, images: Tensor, atoms: int) -> Tensor:
    """Return a number [E] for each edge that only the same and the opposite edge have; no synchronization."""
    if len(source) == 0:
        return source
    width = 2 * images.abs().amax() + 1
    middle = width // 2
    image = ((images[:, 0] * width) + images[:, 1]) * width + images[:, 2]  # [E], odd: the opposite image is -image
    forward = torch.where(source == target, image > 0, source < target)
    low, high = torch.minimum(source, target), torch.maximum(source, target)
    image = torch.where(forward, image, -image) + middle * (width * width + width + 1)  # from 0 on
    return (low * atoms + high) * width**3 + image
