"""Mish whose second derivative, which a loss of forces needs, is finite for large x."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Mish(nn.Mish):
    """f(x) = x tanh(log(1 + e^x)).

    torch's has NaN for its second derivative from 89 on, where e^x overflows in float32. The second derivative of its
    softplus does not overflow. Both functions are equal to rounding; this one takes fewer operations in a training step
    with forces.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return f(x), with the shape and dtype of ``x``."""
        return x * torch.tanh(F.softplus(x))
