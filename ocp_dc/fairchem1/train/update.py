"""The optimizer step of fairchem with less work, and averages of the weights."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
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
    num_updates: int | None
    precision: torch.dtype | None = None  # of the averages; None for that of the parameters

    def update(self, parameters: Iterable[nn.Parameter] | None = None) -> None:
        """Move the averages toward the parameters."""
        decay = self.decay
        if self.num_updates is not None:
            self.num_updates += 1
            decay = min(decay, (1 + self.num_updates) / (10 + self.num_updates))
        with torch.no_grad():
            torch._foreach_lerp_(self.shadow_params, list(self._get_parameters(parameters)), 1.0 - decay)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what :meth:`state_dict` returned, in the precision of the parameters.

        Averages of the other kind, exponential or equal, are not continued: they start again at the weights.
        """
        if (state_dict["num_updates"] is None) != (self.num_updates is None):
            logging.warning(
                "the checkpoint's averages are of another kind (optim.ema_decay, optim.swa_start) than the config's: "
                "they start again at its weights"
            )
            self.shadow_params = [parameter.detach().clone() for parameter in self._get_parameters(None)]
            return
        super().load_state_dict(state_dict)
        pairs = zip(self.shadow_params, self._get_parameters(None), strict=True)
        self.shadow_params = [average.to(self.precision or parameter.dtype) for average, parameter in pairs]


class EqualAverage(ForeachAverage):
    """The mean of the weights after each step from a point of the run on; before it, the weights themselves.

    This is stochastic weight averaging (Izmailov et al. 2018), over steps instead of epochs: a short run has few
    epochs. ``num_updates`` is the number of averaged steps. The n-th step changes the mean by an n-th of a difference,
    which float32 would round away in a long run.

    Args:
        parameters: the parameters; those that require gradients are averaged.
        begun: returns whether the step in progress is averaged.
    """

    precision = torch.float64

    def __init__(self, parameters: Iterable[nn.Parameter], begun: Callable[[], bool]) -> None:
        super().__init__(parameters, decay=0.0, use_num_updates=True)
        self._begun = begun

    def update(self, parameters: Iterable[nn.Parameter] | None = None) -> None:
        """Add the parameters to the mean, or copy them before it begins."""
        current = [parameter.detach() for parameter in self._get_parameters(parameters)]
        count = self.num_updates = (self.num_updates or 0) + 1 if self._begun() else 0
        if count == 0:
            torch._foreach_copy_(self.shadow_params, current)
        elif count == 1:
            self.shadow_params = [value.to(self.precision, copy=True) for value in current]
        else:
            precise = [value.to(self.precision) for value in current]
            torch._foreach_lerp_(self.shadow_params, precise, 1 / count)
