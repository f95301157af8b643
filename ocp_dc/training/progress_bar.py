"""The progress bar of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tqdm import tqdm

from ocp_dc.training.listeners import Listener, Losses, Metrics

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState


class ProgressBar(Listener):
    """Show the steps and the mean loss on a terminal; in a log file there is nothing.

    Args:
        total: the number of steps of the whole run; None if it has no end.
        every: the number of steps between two readings of the loss, for which a GPU is waited for.
        shown: whether this process shows it.
    """

    def __init__(self, total: int | None, every: int, shown: bool) -> None:
        self._total, self._every, self._shown = total, every, shown
        self._bar: tqdm | None = None

    def start(self, state: TrainingState) -> None:
        """Show the bar at the step of the state."""
        hidden = None if self._shown else True  # None: shown on a terminal only
        self._bar = tqdm(total=self._total, initial=state.step, desc="training", unit="step", disable=hidden)

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Advance the bar, and update the loss when it is due; needs running means that have this step."""
        if self._bar is None:
            return
        if state.step % self._every == 0:
            self._bar.set_postfix(loss=f"{state.running_means.since_print()['loss']:.4g}", refresh=False)
        self._bar.update()

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Write the current state of the bar."""
        if self._bar is not None:
            self._bar.refresh()

    def end(self, state: TrainingState) -> None:
        """Close the bar."""
        self.close()

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
