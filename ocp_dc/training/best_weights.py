"""A copy of the weights of the best validation, kept in memory."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from ocp_dc.training.listeners import Listener, Metrics

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState


class BestWeights(Listener):
    """Copies the weights at each validation that is the best so far, for models of a few megabytes.

    Args:
        weights: of the best validation before a resume, as a ``state_dict``.
        step: its step.
    """

    def __init__(self, weights: dict[str, torch.Tensor] | None = None, step: int = 0) -> None:
        self.weights: dict[str, torch.Tensor] = weights or {}
        self.step_of_best = step

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Copy the weights where the metric of this validation is the best one."""
        if metrics is not None and state.evaluations_since_best == 0:
            self.weights = copy.deepcopy(state.model.state_dict())
            self.step_of_best = state.step
