"""Integrated activations: functions whose derivative, which enters the forces, is a common activation.

Source: "On Training Derivative-Constrained Neural Networks", arXiv 2310.01649. Each function and its first
derivative are continuous; the second derivative jumps at 0, where it takes the value of the left side. ReLU integrated
twice has a continuous second derivative, and its third jumps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.core.numbers import finite_number
from ocp_dc.nn.moments import unit_moment_coefficient

UNIT_MOMENT = "unit_moment"


class IReLU(nn.Module):
    """Integrated ReLU: f(x) = c max(0, x)^2, f'(x) = 2c max(0, x), f''(x) = 2c for x > 0 and 0 elsewhere.

    Args:
        coefficient: c, positive. 0.5 makes the derivative ReLU itself. ``"unit_moment"`` is sqrt(2/3), for which
            E[f(x)^2] = 1 if x ~ N(0, 1).

    Derivatives of any order come from torch.autograd; torch.func and forward mode are not supported.

    Raises:
        UserError: the coefficient is neither a finite positive number nor ``"unit_moment"``.
    """

    def __init__(self, coefficient: float | str = 0.5) -> None:
        super().__init__()
        self.coefficient = _coefficient(coefficient)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return f(x), with the shape and dtype of ``x``; integers are converted to the default dtype."""
        return _SquaredReLU.apply(_floating(x), self.coefficient)

    @property
    def spec(self) -> dict[str, Any]:
        """The argument with which :func:`ocp_dc.nn.activation` makes this function."""
        return {"name": "irelu", "coefficient": self.coefficient}

    def extra_repr(self) -> str:
        """Return the settings for the module's repr."""
        return f"coefficient={self.coefficient:g}"


class TwiceIntegratedReLU(nn.Module):
    """ReLU integrated twice: f(x) = c max(0, x)^3, f'(x) = 3c max(0, x)^2, f''(x) = 6c max(0, x).

    It is meant for equations of second order, for which IReLU's second derivative is not continuous.

    Args:
        coefficient: c, positive. 1/6 makes the second derivative ReLU itself, and the first IReLU.
            ``"unit_moment"`` is sqrt(2/15), for which E[f(x)^2] = 1 if x ~ N(0, 1).

    Raises:
        UserError: the coefficient is neither a finite positive number nor ``"unit_moment"``.
    """

    def __init__(self, coefficient: float | str = 1 / 6) -> None:
        super().__init__()
        self.coefficient = _coefficient(coefficient, power=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return f(x), with the shape and dtype of ``x``."""
        return self.coefficient * torch.relu(x) ** 3

    @property
    def spec(self) -> dict[str, Any]:
        """The argument with which :func:`ocp_dc.nn.activation` makes this function."""
        return {"name": "twice_integrated_relu", "coefficient": self.coefficient}

    def extra_repr(self) -> str:
        """Return the settings for the module's repr."""
        return f"coefficient={self.coefficient:g}"


class IntegratedLeakyReLU(nn.Module):
    """Integrated leaky ReLU: f(x) = c x^2 for x > 0 and a c x^2 elsewhere, f'(x) = 2c x and 2c a x.

    Args:
        negative_slope: a.
        coefficient: c, positive, or ``"unit_moment"`` as in :class:`IReLU` (exact for a = 0 only).

    Raises:
        UserError: a setting is not a finite number, or the coefficient is not positive.
    """

    def __init__(self, negative_slope: float = 0.01, coefficient: float | str = 0.5) -> None:
        super().__init__()
        self.negative_slope = finite_number("negative_slope", negative_slope)
        self.coefficient = _coefficient(coefficient)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return f(x), with the shape and dtype of ``x``; integers are converted to the default dtype."""
        x = _floating(x)
        return self.coefficient * x * F.leaky_relu(x, self.negative_slope)

    @property
    def spec(self) -> dict[str, Any]:
        """The argument with which :func:`ocp_dc.nn.activation` makes this function."""
        return {
            "name": "integrated_leaky_relu",
            "negative_slope": self.negative_slope,
            "coefficient": self.coefficient,
        }

    def extra_repr(self) -> str:
        """Return the settings for the module's repr."""
        return f"negative_slope={self.negative_slope:g}, coefficient={self.coefficient:g}"


class IntegratedELU(nn.Module):
    """Integrated ELU: f(x) = x^2/2 for x > 0 and alpha (e^x - x - 1) elsewhere; f' is ELU.

    Args:
        alpha: positive.

    Raises:
        UserError: alpha is not a finite positive number.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = finite_number("alpha", alpha, positive=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return f(x), with the shape and dtype of ``x``."""
        # clamp: otherwise exp of a large x overflows, and the gradient of the unused branch is inf * 0
        negative = x.clamp(max=0)
        return torch.relu(x).square() / 2 + self.alpha * (torch.expm1(negative) - negative)

    @property
    def spec(self) -> dict[str, Any]:
        """The argument with which :func:`ocp_dc.nn.activation` makes this function."""
        return {"name": "integrated_elu", "alpha": self.alpha}

    def extra_repr(self) -> str:
        """Return the settings for the module's repr."""
        return f"alpha={self.alpha:g}"


class _SquaredReLU(torch.autograd.Function):
    """c max(0, x)^2 with an explicit derivative, which takes fewer passes and less memory.

    Only x and the incoming gradient are saved. Backward consists of differentiable operations, so that it can be
    differentiated again. ``forward`` takes ctx: the separate ``setup_context`` that torch.func requires makes a call
    three times as expensive, and IReLU on a few hundred atoms would be no faster than SiLU.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, coefficient: float) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.coefficient = coefficient
        value = torch.relu(x)
        return value.mul_(value).mul_(coefficient)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = ctx.saved_tensors
        # grad * x if x > 0, else 0. The mask is detached: its derivative is zero, and autograd need not add zeros
        grad_x = torch.ops.aten.threshold_backward.default(grad * x, x.detach(), 0)
        return (grad_x if ctx.coefficient == 0.5 else grad_x * (2 * ctx.coefficient)), None


def _floating(x: torch.Tensor) -> torch.Tensor:
    if x.is_complex():
        raise UserError(f"activation: got a tensor of {x.dtype}, expected real numbers: complex ones have no sign")
    return x if x.is_floating_point() else x.to(torch.get_default_dtype())


def _coefficient(value: float | str, power: int = 2) -> float:
    """Return the coefficient of max(0, x)^power as a number."""
    if value == UNIT_MOMENT:
        return unit_moment_coefficient(power)
    if isinstance(value, str) and (hint := nearest(value, [UNIT_MOMENT])):
        raise UserError(f"coefficient: got {value!r}, expected a finite positive number or '{UNIT_MOMENT}'.{hint}")
    return finite_number("coefficient", value, positive=True, words=f"'{UNIT_MOMENT}'")
