"""The listener that writes validation.csv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocp_dc.training.listeners import Listener, Metrics
from ocp_dc.training.step_clock import StepClock, peak_memory
from ocp_dc.training.validation_log import ValidationLog

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState


class ValidationRows(Listener):
    """Write a row for each validation; in a resumed run, first drop the rows after its step.

    Args:
        log: the file.
        clock: the clock of the steps; it is paused during a validation.
    """

    def __init__(self, log: ValidationLog, clock: StepClock) -> None:
        self._log, self._clock = log, clock

    def start(self, state: TrainingState) -> None:
        """Drop the rows that were written after the last checkpoint."""
        if state.step:
            self._log.cut_after(state.epoch)

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Write a row; without a validation set, only reset the means."""
        train_losses, step_time = state.running_means.since_validation(), self._clock.seconds_per_step()
        if metrics is None:
            return
        self._log.add(
            step=state.step,
            epoch=state.epoch,
            learning_rate=state.learning_rate,
            train_losses=train_losses,
            metrics=metrics,
            step_time=step_time,
            peak_memory=peak_memory(self._clock.device),
        )
