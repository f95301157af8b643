"""A copy in memory of the weights with the best validation result."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from ocp_dc.training.listeners import Listener, Metrics

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState


class BestWeights(Listener):
    """Copy the weights at each validation that is the best so far; suitable for models of a few megabytes.

    Args:
        weights: the ``state_dict`` at the best validation before a resume; None in a fresh run.
        step: the step of that validation.
    """

    def __init__(self, weights: dict[str, torch.Tensor] | None = None, step: int = 0) -> None:
        self.weights: dict[str, torch.Tensor] = weights or {}
        self.step_of_best = step

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Copy the weights if the metric of this validation is the best so far."""
        if metrics is not None and state.evaluations_since_best == 0:
            self.weights = copy.deepcopy(state.model.state_dict())
            self.step_of_best = state.step
