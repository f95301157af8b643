"""Mish whose second derivative, which a loss of forces needs, is finite for large x."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

LINEAR = 20.0  # from here on Mish is x and its derivative is 1, to rounding in float64


class Mish(nn.Mish):
    """f(x) = x tanh(log(1 + e^x)).

    torch's has NaN for its second derivative from 89 on, where e^x overflows in float32. Below 20 both are the same
    bit for bit.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return f(x), with the shape and dtype of ``x``."""
        return torch.where(x > LINEAR, x, F.mish(x.clamp(max=LINEAR)))
