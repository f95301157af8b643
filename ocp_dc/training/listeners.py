"""Listeners of a training run: called at its start, after each step, after each validation, and at its end.

The host calls them from its own loop (fairchem 1.10) or from the callbacks of a framework's loop. They receive the
training state and plain values, and do not depend on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState

Losses = Mapping[str, torch.Tensor | float]  # of a step: ``loss``, the total, and ``loss_NAME`` for each term
Metrics = Mapping[str, float]  # of a validation, by name


class Listener:
    """Base class of listeners; its methods do nothing, and a subclass overrides those that it needs."""

    def start(self, state: TrainingState) -> None:
        """Prepare for the first step in this process, of a new or a resumed training run."""

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Handle the end of a step, after the optimizer's update.

        Args:
            state: the state; ``step`` includes the step that has just ended.
            losses: the losses of the step, on scaled labels.
        """

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Handle a validation, after the best metric and the schedule were updated.

        Args:
            state: the state, with the raw weights in its model.
            metrics: metrics in physical units; None when a validation is due but there is no validation set.
        """

    def end(self, state: TrainingState) -> None:
        """Handle the end of a training run, at its last step or by early stopping."""


class Listeners(Listener):
    """Call several listeners in order.

    Args:
        listeners: the listeners.
    """

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._listeners = tuple(listeners)

    def start(self, state: TrainingState) -> None:
        """Call ``start`` of each listener."""
        for listener in self._listeners:
            listener.start(state)

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Call ``step`` of each listener."""
        for listener in self._listeners:
            listener.step(state, losses)

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Call ``validation`` of each listener."""
        for listener in self._listeners:
            listener.validation(state, metrics)

    def end(self, state: TrainingState) -> None:
        """Call ``end`` of each listener."""
        for listener in self._listeners:
            listener.end(state)


class AtStart(Listener):
    """Call a function of the host at the start, in order with the other listeners.

    Args:
        action: the function; it takes the state.
    """

    def __init__(self, action: Callable[[TrainingState], None]) -> None:
        self._action = action

    def start(self, state: TrainingState) -> None:
        """Call the function."""
        self._action(state)
