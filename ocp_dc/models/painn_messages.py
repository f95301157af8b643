"""PaiNN's sums over neighbors: both directions of a pair of atoms share one filter, up to its sign."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.graph import EdgeGraph


def pair_sums(x: Tensor, filters: Tensor, pairs: EdgeGraph, *, odd: bool = False) -> Tensor:
    """Return the sum over the neighbors of each atom of their features times the filter of the pair.

    Args:
        x: features of atoms, [N, C, F].
        filters: [P, D, F]; C and D are equal, or one of them is 1.
        pairs: P pairs j -> i, each of which is also taken as i -> j.
        odd: whether the filter of i -> j is minus that of j -> i, and not the same.

    Returns:
        [N, max(C, D), F], differentiable as often as wanted.
    """
    sign, components = (-1 if odd else 1), max(x.shape[1], filters.shape[1])
    result: Tensor = _Sums.apply(x, filters, pairs.source, pairs.target, sign, components)
    return result


class _Sums(torch.autograd.Function):
    """Sum over pairs of x_j * filter at i and of sign * x_i * filter at j; bilinear, so that it saves its inputs only.

    Products with more components than wanted, 3 instead of 1, are summed over them.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, filters: Tensor, source: Tensor, target: Tensor, sign: int, components: int
    ) -> Tensor:
        ctx.save_for_backward(x, filters, source, target)
        ctx.sign = sign
        forward = _product(_rows(x, source), filters, components)  # [P, components, F]
        backward = _product(_rows(x, target), filters, components)
        result = forward.new_zeros(len(x), components * x.shape[2])
        result.index_add_(0, target, forward.flatten(1))
        result.index_add_(0, source, backward.flatten(1), alpha=sign)
        return result.view(-1, components, x.shape[2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, filters, source, target = ctx.saved_tensors
        x_grad = filter_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = _Sums.apply(grad, filters, target, source, ctx.sign, x.shape[1])
        if ctx.needs_input_grad[1]:
            filter_grad = _Products.apply(x, grad, source, target, ctx.sign, filters.shape[1])
        return x_grad, filter_grad, None, None, None, None


class _Products(torch.autograd.Function):
    """x_j * y_i + sign * x_i * y_j of each pair j -> i: the gradient of _Sums by the filters."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, source: Tensor, target: Tensor, sign: int, components: int) -> Tensor:
        ctx.save_for_backward(x, y, source, target)
        ctx.sign = sign
        forward = _product(_rows(x, source), _rows(y, target), components)  # [P, components, F]
        return forward.add_(_product(_rows(x, target), _rows(y, source), components), alpha=sign)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y, source, target = ctx.saved_tensors
        x_grad = y_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = _Sums.apply(y, grad, target, source, ctx.sign, x.shape[1])
        if ctx.needs_input_grad[1]:
            y_grad = _Sums.apply(x, grad, source, target, ctx.sign, y.shape[1])
        return x_grad, y_grad, None, None, None, None


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """Return x[index], [P, C, F]; an index_select of a matrix is twice as fast as one of three dimensions."""
    return x.flatten(1).index_select(0, index).view(-1, *x.shape[1:])


def _product(rows: Tensor, factors: Tensor, components: int) -> Tensor:
    """Return rows * factors, [P, components, F]; ``rows`` may be overwritten."""
    product = rows.mul_(factors) if rows.shape[1] >= factors.shape[1] else rows * factors
    return product.sum(1, keepdim=True) if product.shape[1] > components else product
