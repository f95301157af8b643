"""Mish: a second derivative that is finite for large x, and derivatives in few passes over the features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocp_dc.nn.traced import is_traced


class Mish(nn.Mish):
    """f(x) = x tanh(log(1 + e^x)).

    torch's has NaN for its second derivative from 89 on, where e^x overflows in float32. The second derivative of its
    softplus does not overflow. Both functions are equal to rounding; this one takes fewer operations in a training step
    with forces.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return f(x), with the shape and dtype of ``x``."""
        return x * torch.tanh(F.softplus(x))


def mish(x: Tensor) -> Tensor:
    """Return f(x), whose first two derivatives are computed with the value.

    It is differentiable any number of times; torch.func and forward mode are not supported.
    """
    if is_traced() or not (x.requires_grad and torch.is_grad_enabled()):
        return x * torch.tanh(F.softplus(x))
    result: Tensor = _Value.apply(x)
    return result


def mish_and_slope(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return f(x) and f'(x), whose gradients cost three passes; see :func:`mish`."""
    if is_traced() or not (x.requires_grad and torch.is_grad_enabled()):
        return _derivatives(x)[:2]
    found: tuple[Tensor, Tensor] = _ValueAndSlope.apply(x)
    return found


def _derivatives(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return f, f' and f'' of x.

    With n = e^x, w = n (n + 2), σ = n / (n + 1): tanh(log(1 + n)) is t = w / (w + 2), its derivative t' = (1 - t²) σ,
    and the next one t'' = t' (1 - σ - 2 t σ). For u = 1 / (w + 2), which does not cancel, 1 - t² = 4 (u - u²).
    """
    n = torch.exp(x.clamp(max=40))  # from 40 on, f and f' are x and 1 to rounding in float64
    w = n * (n + 2)
    u = (w + 2).reciprocal()
    t = w * u
    sigmoid = n / (n + 1)
    t_slope = 4 * sigmoid * torch.addcmul(u, u, u, value=-1)
    curvature = t_slope * torch.addcmul(x + 2, x, (t + 0.5) * sigmoid, value=-2)  # 2 t' + x t''
    return x * t, torch.addcmul(t, x, t_slope), curvature


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        value, slope, curvature = _derivatives(x)
        ctx.save_for_backward(x, slope, curvature)
        return value

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        result: Tensor = _Slope.apply(grad, *ctx.saved_tensors)
        return result


class _Slope(torch.autograd.Function):
    """grad f'(x), with f' and f'' as they were computed before."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, x: Tensor, slope: Tensor, curvature: Tensor) -> Tensor:
        ctx.save_for_backward(grad, x, slope, curvature)
        return grad * slope

    @staticmethod
    def backward(ctx: Any, second: Tensor) -> tuple[Tensor | None, ...]:
        grad, x, slope, curvature = ctx.saved_tensors
        if torch.is_grad_enabled():  # a third derivative is asked for, which the saved numbers do not have
            _, slope, curvature = _derivatives(x)
        of_grad = second * slope if ctx.needs_input_grad[0] else None
        of_x = second * grad * curvature if ctx.needs_input_grad[1] else None
        return of_grad, of_x, None, None


class _ValueAndSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        value, slope, curvature = _derivatives(x)
        ctx.save_for_backward(x, slope, curvature)
        return value, slope

    @staticmethod
    def backward(ctx: Any, of_value: Tensor, of_slope: Tensor) -> Tensor:
        x, slope, curvature = ctx.saved_tensors
        if torch.is_grad_enabled():
            _, slope, curvature = _derivatives(x)
        return of_value * slope + of_slope * curvature
