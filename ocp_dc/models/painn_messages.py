"""PaiNN's sums over neighbors: both directions of a pair of atoms share one filter, up to its sign.

The components of vectors are computed one after the other in the same memory: on a CPU, tensors [P, F] that are used
again cost a fraction of new ones, whose pages the system has to provide first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.graph import EdgeGraph
from ocp_dc.nn.traced import is_traced


def pair_sums(x: Tensor, filters: Sequence[Tensor], pairs: EdgeGraph, *, odd: bool = False) -> Tensor:
    """Return the sum over the neighbors of each atom of their features times the filter of the pair.

    Args:
        x: features of atoms, [C, N, F].
        filters: D filters, [P, F] each; C and D are equal, or one of them is 1.
        pairs: P pairs j -> i, each of which is also taken as i -> j.
        odd: whether the filter of i -> j is minus that of j -> i, and not the same.

    Returns:
        [max(C, D), N, F], differentiable as often as wanted.
    """
    if is_traced():
        return _plain_sums(x, filters, pairs, -1 if odd else 1)
    components = max(len(x), len(filters))
    result: Tensor = _Sums.apply(x, pairs.source, pairs.target, -1 if odd else 1, components, *filters)
    return result


def _plain_sums(x: Tensor, filters: Sequence[Tensor], pairs: EdgeGraph, sign: int) -> Tensor:
    sums = []
    for n in range(max(x.shape[0], len(filters))):
        rows, filters_of_pairs = x[min(n, x.shape[0] - 1)], filters[min(n, len(filters) - 1)]  # [N, F], [P, F]
        forward = rows.index_select(0, pairs.source) * filters_of_pairs
        backward = rows.index_select(0, pairs.target) * filters_of_pairs * sign
        sums.append(
            torch.zeros_like(rows).index_add(0, pairs.target, forward).index_add(0, pairs.source, backward)
        )  # [N, F]
    return torch.stack(sums)


class _Sums(torch.autograd.Function):
    """Sum over pairs of x_j * filter at i and of sign * x_i * filter at j; bilinear, so that it saves its inputs only.

    ``components`` is 1 or the larger number of those of the factors; products with more are summed over them.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, source: Tensor, target: Tensor, sign: int, components: int, *filters: Tensor
    ) -> Tensor:
        ctx.save_for_backward(x, source, target, *filters)
        ctx.sign = sign
        result = x.new_zeros(components, *x.shape[1:])
        rows: Any = None
        product: Any = None
        for start, end, alpha in ((source, target, 1), (target, source, sign)):
            for n in range(max(len(x), len(filters))):
                if n < len(x):
                    rows = _rows(x[n], start, rows)  # [P, F]
                product = torch.mul(rows, filters[min(n, len(filters) - 1)], out=product)
                result[min(n, components - 1)].index_add_(0, end, product, alpha=alpha)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, source, target, *filters = ctx.saved_tensors
        x_grad, *filter_grads = _Gradients.apply(x, grad, source, target, ctx.sign, *filters)
        return x_grad, None, None, None, None, *filter_grads


class _Gradients(torch.autograd.Function):
    """The gradients of _Sums by x and by each filter, from one look-up of the gradient ``grad`` of the sums.

    Both are bilinear too: filters * grad for x, and x * grad for the filters.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, grad: Tensor, source: Tensor, target: Tensor, sign: int, *filters: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x, grad, source, target, *filters)
        ctx.sign = sign
        ctx.set_materialize_grads(False)
        x_grad, filter_grads = torch.zeros_like(x), [torch.zeros_like(each) for each in filters]
        rows: Any = None
        grads: Any = None
        product: Any = None
        for start, end, alpha in ((source, target, 1), (target, source, sign)):
            for n in range(max(len(x), len(filters))):
                if n < len(x):
                    rows = _rows(x[n], start, rows)  # [P, F]
                if n < len(grad):
                    grads = _rows(grad[n], end, grads)  # [P, F]
                of_filter = min(n, len(filters) - 1)
                filter_grads[of_filter].addcmul_(rows, grads, value=alpha)
                product = torch.mul(grads, filters[of_filter], out=product)
                x_grad[min(n, len(x) - 1)].index_add_(0, start, product, alpha=alpha)
        return x_grad, *filter_grads

    @staticmethod
    def backward(ctx: Any, by_x: Tensor | None, *by_filters: Tensor | None) -> tuple[Tensor | None, ...]:
        x, grad, source, target, *filters = ctx.saved_tensors
        pairs = (source, target, ctx.sign)
        along = [torch.zeros_like(f) if b is None else b for f, b in zip(filters, by_filters, strict=True)]
        grad_grad = _Sums.apply(x, *pairs, len(grad), *along)
        if by_x is None:  # the first layer: x does not depend on the positions
            x_grad = _Sums.apply(grad, target, source, ctx.sign, len(x), *along)
            return x_grad, grad_grad, None, None, None, *(None for _ in filters)
        grad_grad = grad_grad + _Sums.apply(by_x, *pairs, len(grad), *filters)
        x_grad, *filter_grads = _Gradients.apply(by_x, grad, *pairs, *along)
        return x_grad, grad_grad, None, None, None, *filter_grads


def _rows(x: Tensor, index: Tensor, memory: Tensor | None) -> Tensor:
    return torch.index_select(x, 0, index, out=memory) if memory is not None else x.index_select(0, index)
