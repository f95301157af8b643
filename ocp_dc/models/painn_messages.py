"""PaiNN's sums over neighbors: both directions of a pair of atoms share one filter, up to its sign.

The components of vectors are computed one after the other and in place: on a CPU, the memory of a tensor [P, F] stays
in the cache and is used again, when that of [P, 3, F] is requested from the system each time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.graph import EdgeGraph


def pair_sums(x: Tensor, filters: Tensor, pairs: EdgeGraph, *, odd: bool = False) -> Tensor:
    """Return the sum over the neighbors of each atom of their features times the filter of the pair.

    Args:
        x: features of atoms, [C, N, F].
        filters: [D, P, F]; C and D are equal, or one of them is 1.
        pairs: P pairs j -> i, each of which is also taken as i -> j.
        odd: whether the filter of i -> j is minus that of j -> i, and not the same.

    Returns:
        [max(C, D), N, F], differentiable as often as wanted.
    """
    components = max(len(x), len(filters))
    result: Tensor = _Sums.apply(x, filters, pairs.source, pairs.target, -1 if odd else 1, components)
    return result


class _Sums(torch.autograd.Function):
    """Sum over pairs of x_j * filter at i and of sign * x_i * filter at j; bilinear, so that it saves its inputs only.

    ``components`` is 1 or the larger number of those of the factors; products with more are summed over them.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, filters: Tensor, source: Tensor, target: Tensor, sign: int, components: int
    ) -> Tensor:
        ctx.save_for_backward(x, filters, source, target)
        ctx.sign = sign
        result = x.new_zeros(components, *x.shape[1:])
        products = max(len(x), len(filters))
        for start, end, alpha in ((source, target, 1), (target, source, sign)):
            rows = x[0].index_select(0, start)  # [P, F]
            for n in range(products):
                if n and len(x) > 1:
                    rows = x[n].index_select(0, start)
                product = rows * filters[n if len(filters) > 1 else 0]
                result[n if components > 1 else 0].index_add_(0, end, product, alpha=alpha)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, filters, source, target = ctx.saved_tensors
        return *_Gradients.apply(x, filters, grad, source, target, ctx.sign), None, None, None, None


class _Gradients(torch.autograd.Function):
    """The gradients of _Sums by x and by the filters, from one look-up of the gradient ``grad`` of the sums.

    Both are bilinear too: x * grad for the filters, and filters * grad for x.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, filters: Tensor, grad: Tensor, source: Tensor, target: Tensor, sign: int
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x, filters, grad, source, target)
        ctx.sign = sign
        ctx.set_materialize_grads(False)
        x_grad, filter_grad = torch.zeros_like(x), torch.zeros_like(filters)
        products = max(len(x), len(filters))
        for start, end, alpha in ((source, target, 1), (target, source, sign)):
            rows, grads = x[0].index_select(0, start), grad[0].index_select(0, end)  # [P, F] each
            for n in range(products):
                if n and len(x) > 1:
                    rows = x[n].index_select(0, start)
                if n and len(grad) > 1:
                    grads = grad[n].index_select(0, end)
                filter_grad[n if len(filters) > 1 else 0].addcmul_(rows, grads, value=alpha)
                product = grads * filters[n if len(filters) > 1 else 0]
                x_grad[n if len(x) > 1 else 0].index_add_(0, start, product, alpha=alpha)
        return x_grad, filter_grad

    @staticmethod
    def backward(ctx: Any, by_x: Tensor | None, by_filters: Tensor | None) -> tuple[Tensor | None, ...]:
        x, filters, grad, source, target = ctx.saved_tensors
        indices = (source, target, ctx.sign)
        x_grad = filter_grad = grad_grad = None
        if by_x is not None and by_filters is not None:
            x_grad, filter_grad = _Gradients.apply(by_x, by_filters, grad, *indices)
            grad_grad = _Sums.apply(by_x, filters, *indices, len(grad)) + _Sums.apply(
                x, by_filters, *indices, len(grad)
            )
        elif by_filters is not None:  # x does not depend on what was differentiated
            x_grad = _Sums.apply(grad, by_filters, target, source, ctx.sign, len(x))
            grad_grad = _Sums.apply(x, by_filters, *indices, len(grad))
        elif by_x is not None:
            _, filter_grad = _Gradients.apply(by_x, filters, grad, *indices)
            grad_grad = _Sums.apply(by_x, filters, *indices, len(grad))
        return x_grad, filter_grad, grad_grad, None, None, None
