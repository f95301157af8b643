"""The number of continuous derivatives of an activation, for losses that contain derivatives of a network."""

from __future__ import annotations

import math

from torch import nn

from ocp_dc.nn.integrated import IntegratedELU, IntegratedLeakyReLU, IReLU, TwiceIntegratedReLU
from ocp_dc.nn.shifted_softplus import ShiftedSoftplus

_SMOOTH = (nn.GELU, nn.Mish, nn.SiLU, ShiftedSoftplus, nn.Softplus, nn.Tanh)


def smoothness(function: nn.Module) -> float | None:
    """Return how many derivatives of an activation are continuous, infinity for a smooth one.

    ReLU has 0. IReLU has 1: its second derivative jumps. A residual with derivatives of order k is continuous in
    weights and coordinates if the activation has k continuous derivatives.

    Args:
        function: an activation as :func:`ocp_dc.nn.activation` makes it.

    Returns:
        The number, or None for an unknown function.
    """
    if isinstance(function, _SMOOTH):
        return math.inf
    if isinstance(function, nn.ReLU):
        return 0
    if isinstance(function, nn.LeakyReLU):
        return math.inf if function.negative_slope == 1 else 0
    if isinstance(function, nn.ELU):
        return 1 if function.alpha == 1 else 0
    if isinstance(function, IReLU):
        return 1
    if isinstance(function, TwiceIntegratedReLU):
        return 2
    if isinstance(function, IntegratedLeakyReLU):
        return math.inf if function.negative_slope == 1 else 1
    if isinstance(function, IntegratedELU):
        return 2 if function.alpha == 1 else 1
    return None
