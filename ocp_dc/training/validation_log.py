"""The CSV of validations: one row each, units in the header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ocp_dc.core import row_table
from ocp_dc.training.listeners import Listener, Metrics
from ocp_dc.training.step_clock import StepClock, peak_memory
from ocp_dc.training.table_log import TableLog

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState

UNITS = {
    "energy_mae": "eV",
    "energy_per_atom_mae": "eV",
    "energy_mse": "eV^2",
    "forces_mae": "eV/Å",
    "forces_mse": "eV^2/Å^2",
    "forces_magnitude_error": "eV/Å",
    "forcesx_mae": "eV/Å",
    "forcesy_mae": "eV/Å",
    "forcesz_mae": "eV/Å",
}
# fairchem's evaluator counts errors below the thresholds (<), `ocp-dc evaluate` those at them too (<=)
SHORT_NAMES = {"energy_forces_within_threshold": "efwt", "per_atom_mae": "energy_per_atom_mae"}
STEP_TIME, PEAK_MEMORY = "step_time [s]", "peak_memory [MiB]"
# the columns in which a resumed run differs from the uninterrupted one
MEASURED = (STEP_TIME, PEAK_MEMORY, row_table.CHECK)


class ValidationLog(TableLog):
    """Appends a row per validation to a CSV file."""

    @staticmethod
    def unit(metric: str) -> str | None:
        """Return the unit of a metric by its name in fairchem, or None for a pure number."""
        return UNITS.get(SHORT_NAMES.get(metric, metric))

    def add(
        self,
        *,
        step: int,
        epoch: float,
        learning_rate: float,
        train_losses: Mapping[str, float],
        metrics: Mapping[str, float],
        step_time: float | None,
        peak_memory: float | None,
    ) -> None:
        """Append a row.

        Args:
            step: optimizer steps so far.
            epoch: epochs so far.
            learning_rate: of the next step.
            train_losses: means since the last row, on scaled labels: ``loss``, and ``loss_<name>`` of each term.
            metrics: by fairchem's names, energies in eV and forces in eV/Å; ``loss`` is on scaled labels.
            step_time: of a training step, seconds; None where there was none.
            peak_memory: MiB; None where the system does not tell.
        """
        row: dict[str, object] = {"step": step, "epoch": epoch, "learning_rate": learning_rate}
        row |= {f"train_{name}": value for name, value in train_losses.items()}
        row["loss"] = metrics["loss"]
        for name, value in metrics.items():
            short = SHORT_NAMES.get(name, name)
            unit = UNITS.get(short)
            row.setdefault(f"{short} [{unit}]" if unit else short, value)
        measured = {STEP_TIME: step_time, PEAK_MEMORY: peak_memory}
        self.add_row(row | {name: "" if value is None else value for name, value in measured.items()})


class ValidationRows(Listener):
    """Writes the row of each validation, and cuts the file of a resumed run at its step.

    Args:
        log: the file.
        clock: times the steps; it is paused during a validation.
    """

    def __init__(self, log: ValidationLog, clock: StepClock) -> None:
        self._log, self._clock = log, clock

    def start(self, state: TrainingState) -> None:
        """Drop the rows that the run before wrote past its last checkpoint."""
        if state.step:
            self._log.cut_after(state.step)

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Write a row; without a validation set, only begin the next means."""
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
