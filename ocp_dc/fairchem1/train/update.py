"""The optimizer step of fairchem with less work: gradients of parameters only, fused optimizers and averages."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from fairchem.core.modules.exponential_moving_average import ExponentialMovingAverage
from torch import Tensor, nn
from torch.optim import Optimizer

IMPLEMENTATIONS = ("fused", "foreach", "capturable", "differentiable")  # options that choose how a step is computed


@dataclasses.dataclass(frozen=True)
class ParameterLoss:
    """A loss whose backward pass computes the gradients of an optimizer's parameters and no others.

    The positions of a batch require gradients too, for forces, and their gradient of the loss is a large part of a
    backward pass that nobody uses.

    Args:
        loss: the loss, a scalar.
        optimizer: the optimizer.
    """

    loss: Tensor
    optimizer: Optimizer

    def backward(self) -> None:
        """Add the gradients to those of the parameters."""
        groups = self.optimizer.param_groups
        torch.autograd.backward(self.loss, inputs=[p for group in groups for p in group["params"] if p.requires_grad])


def with_fused_step(optim: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ``optim`` block whose optimizer updates all parameters in one call, if its class can.

    Options of the block that choose another implementation take precedence. The update differs from that of the other
    implementations by rounding.

    Args:
        optim: the block, with a valid optimizer.
    """
    given = optim.get("optimizer_params") or {}
    known = inspect.signature(getattr(torch.optim, optim.get("optimizer", "AdamW"))).parameters
    if "fused" not in known or any(name in given for name in IMPLEMENTATIONS):
        return dict(optim)
    return {**optim, "optimizer_params": {**given, "fused": True}}


class ForeachAverage(ExponentialMovingAverage):
    """fairchem's moving average of the weights, updated in one call for all parameters.

    The averages are equal to the last bit if the decay is above 0.5, else to rounding.
    """

    shadow_params: list[Tensor]

    def update(self, parameters: Iterable[nn.Parameter] | None = None) -> None:
        """Move the averages toward the parameters."""
        decay = self.decay
        if self.num_updates is not None:
            self.num_updates += 1
            decay = min(decay, (1 + self.num_updates) / (10 + self.num_updates))
        with torch.no_grad():
            torch._foreach_lerp_(self.shadow_params, list(self._get_parameters(parameters)), 1.0 - decay)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what :meth:`state_dict` returned, in the precision of the parameters."""
        super().load_state_dict(state_dict)
        pairs = zip(self.shadow_params, self._get_parameters(None), strict=True)
        self.shadow_params = [average.to(parameter.dtype) for average, parameter in pairs]
