"""The progress bar of a training run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tqdm import tqdm

from ocp_dc.core.verbosity import bars_disabled
from ocp_dc.training.listeners import Listener, Losses, Metrics
from ocp_dc.training.run_lines import shown_errors

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState


class ProgressBar(Listener):
    """Show epoch, steps, time left, mean loss and the last validation errors on a terminal; nothing in a log file.

    Args:
        total: the number of steps of the whole run; None if it has no end.
        epochs: the number of epochs of the whole run; None if that is not its limit.
        every: the number of steps between two readings of the loss, for which a GPU is waited for.
        shown: whether this process shows it.
    """

    def __init__(self, total: int | None, epochs: float | None, every: int, shown: bool) -> None:
        self._total, self._epochs, self._every, self._shown = total, epochs, every, shown
        self._bar: tqdm | None = None
        self._texts: dict[str, str] = {}

    def start(self, state: TrainingState) -> None:
        """Show the bar at the step of the state."""
        self._bar = tqdm(
            total=self._total,
            initial=state.step,
            desc=self._title(state),
            unit="step",
            disable=bars_disabled(not self._shown),
            leave=False,
            dynamic_ncols=True,
        )

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Advance the bar, and update the loss when it is due; needs running means that have this step."""
        if self._bar is None:
            return
        if state.step % self._every == 0:
            self._texts["loss"] = f"{state.running_means.since_print()['loss']:.4g}"
            self._bar.set_postfix(self._texts, refresh=False)
        self._bar.set_description(self._title(state), refresh=False)
        self._bar.update()

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Show the errors."""
        if self._bar is not None and metrics is not None:
            self._texts |= shown_errors(metrics)
            self._bar.set_postfix(self._texts)

    def end(self, state: TrainingState) -> None:
        """Close the bar."""
        self.close()

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _title(self, state: TrainingState) -> str:
        of = "" if self._epochs is None else f"/{self._epochs:g}"
        return f"epoch {max(1, math.ceil(state.epoch))}{of}"
