"""Shifted softplus, the activation of SchNet."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


class ShiftedSoftplus(nn.Module):
    """f(x) = log(1 + e^x) - log 2, which is 0 at 0 (SchNet, arXiv 1706.08566)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return f(x), with the shape and dtype of ``x``."""
        return F.softplus(x) - math.log(2)
