"""Loss terms by name; DeepXDE keeps them in a list, residuals first, then conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from ocp_dc.core.errors import UserError, unknown_name

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class NamedLosses:
    """Mean squared errors by the name of the loss term; the last unweighted values are kept.

    Args:
        names: the names of the terms, in DeepXDE's order.
        weights: weights by name; the default is 1.
        net: the network, whose mode distinguishes training from evaluation.

    Raises:
        UserError: a weight is for a term that the task does not have, or all weights are 0.
    """

    def __init__(self, names: Sequence[str], weights: Mapping[str, float], net: nn.Module) -> None:
        for name in weights:
            if name not in names:
                raise unknown_name("loss term in loss_weights", name, names)
        if not any(weights.get(name, 1.0) for name in names):
            raise UserError("loss_weights: got 0 for every term, which trains nothing; give one of them a weight")
        self.names = tuple(names)
        self.weights = [float(weights.get(name, 1.0)) for name in names]
        self._net = net
        self._last: dict[bool, dict[str, torch.Tensor]] = {True: {}, False: {}}  # in training mode, in evaluation mode

    def functions(self) -> list[Loss]:
        """Return the loss functions for DeepXDE's ``compile``."""
        return [self._function(name) for name in self.names]

    def values(self, training: bool = True) -> dict[str, float]:
        """Return the last value of each term, from training or from evaluation mode."""
        numbers = torch.stack([self._last[training][name] for name in self.names]).tolist()
        return dict(zip(self.names, numbers, strict=True))

    def total(self) -> float:
        """Return the weighted sum of the last training values, which training minimizes."""
        return math.fsum(w * value for w, value in zip(self.weights, self.values().values(), strict=True) if w)

    def _function(self, name: str) -> Loss:
        def mean_squared_error(true: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
            loss = (true - predicted).square().mean()
            self._last[self._net.training][name] = loss.detach()
            return loss

        return mean_squared_error
