"""Listeners of a training run: they are told when it starts, after each step, after each validation, and at its end.

A host tells them: from its own loop (fairchem 1.10), or from the callbacks of a loop that it does not own. They get the
training state and plain values, and know nothing of the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState

Losses = Mapping[str, torch.Tensor | float]  # of a step: ``loss``, the whole, and ``loss_NAME`` of each term
Metrics = Mapping[str, float]  # of a validation, by name


class Listener:
    """Does nothing; a subclass overrides what it wants to be told."""

    def start(self, state: TrainingState) -> None:
        """Prepare for the first step of this process, of a fresh run or of one that is resumed."""

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Act on a finished step: gradients and weights are those after the optimizer's update.

        Args:
            state: its ``step`` counts the one that has just ended.
            losses: of the step, on scaled labels.
        """

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Act on a validation, after the best metric and the schedule have taken it in.

        Args:
            state: the state, with the raw weights in its model.
            metrics: in physical units; None where it is time for a validation and there is no validation set.
        """

    def end(self, state: TrainingState) -> None:
        """Act on the end of a run that came to its last step, or that early stopping ended."""


class Listeners(Listener):
    """Tells several listeners, in their order.

    Args:
        listeners: those to tell.
    """

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._listeners = tuple(listeners)

    def start(self, state: TrainingState) -> None:
        """Tell each that the run starts."""
        for listener in self._listeners:
            listener.start(state)

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Tell each that a step has ended."""
        for listener in self._listeners:
            listener.step(state, losses)

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Tell each that a validation has ended."""
        for listener in self._listeners:
            listener.validation(state, metrics)

    def end(self, state: TrainingState) -> None:
        """Tell each that the run has ended."""
        for listener in self._listeners:
            listener.end(state)


class AtStart(Listener):
    """Calls a function of the host at the start, in its place among the listeners.

    Args:
        action: takes the state.
    """

    def __init__(self, action: Callable[[TrainingState], None]) -> None:
        self._action = action

    def start(self, state: TrainingState) -> None:
        """Call the function."""
        self._action(state)
