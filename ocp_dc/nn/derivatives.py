"""First derivatives of activations in closed form, for derivatives in forward mode."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocp_dc.nn.integrated import IntegratedELU, IntegratedLeakyReLU, IReLU, TwiceIntegratedReLU
from ocp_dc.nn.mish import Mish, mish_and_slope

Derivative = Callable[[Tensor], Tensor]


def derivative(activation: object) -> Derivative | None:
    """Return f' of an elementwise activation f, or None if it is not known.

    f' is differentiable by autograd. Where f' jumps, and in the tails where torch approximates f, it may differ from
    torch's derivative by a rounding error of float32.

    Args:
        activation: a module; shifted softplus is found by the name of its class, since each host has its own.
    """
    if type(activation).__name__ == "ShiftedSoftplus":
        return torch.sigmoid
    found = _DERIVATIVES.get(type(activation))
    return None if found is None else found(activation)


def value_and_derivative(activation: object) -> Callable[[Tensor], tuple[Tensor, Tensor]] | None:
    """Return the function x -> (f(x), f'(x)), or None if f' is not known; see :func:`derivative`."""
    if isinstance(activation, nn.Mish):
        return mish_and_slope
    slope = derivative(activation)
    if slope is None or not callable(activation):
        return None
    return lambda x: (activation(x), slope(x))


def _elu(module: nn.ELU) -> Derivative:
    # exp of a large x would overflow, and the gradient of the unused branch would be NaN
    return lambda x: torch.where(x > 0, 1.0, module.alpha * torch.exp(x.clamp(max=0)))


def _gelu(module: nn.GELU) -> Derivative | None:
    if module.approximate != "none":
        return None

    def slope(x: Tensor) -> Tensor:
        return 0.5 * (1 + torch.erf(x * 0.5**0.5)) + x * torch.exp(-0.5 * x.square()) * (0.5 / torch.pi) ** 0.5

    return slope


def _integrated_leaky_relu(module: IntegratedLeakyReLU) -> Derivative:
    return lambda x: 2 * module.coefficient * F.leaky_relu(x, module.negative_slope)


def _leaky_relu(module: nn.LeakyReLU) -> Derivative:
    return lambda x: torch.where(x > 0, torch.ones_like(x), module.negative_slope)


def _silu(x: Tensor) -> Tensor:
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))


def _softplus(module: nn.Softplus) -> Derivative:
    return lambda x: torch.sigmoid(module.beta * x)


# class -> the function that returns f' of a module of this class
_DERIVATIVES: dict[type, Callable[..., Derivative | None]] = {
    nn.ELU: _elu,
    nn.GELU: _gelu,
    nn.LeakyReLU: _leaky_relu,
    nn.Mish: lambda _: lambda x: mish_and_slope(x)[1],
    Mish: lambda _: lambda x: mish_and_slope(x)[1],
    nn.ReLU: lambda _: lambda x: (x > 0).to(x.dtype),
    nn.SiLU: lambda _: _silu,
    nn.Softplus: _softplus,
    nn.Tanh: lambda _: lambda x: 1 - torch.tanh(x).square(),
    IReLU: lambda module: lambda x: 2 * module.coefficient * torch.relu(x),
    IntegratedELU: lambda module: lambda x: F.elu(x, module.alpha),
    IntegratedLeakyReLU: _integrated_leaky_relu,
    TwiceIntegratedReLU: lambda module: lambda x: 3 * module.coefficient * torch.relu(x).square(),
}
