"""Write and read the CSV file of validation errors, with one row per validation and units in the header."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocp_dc.core import row_table
from ocp_dc.core.errors import UserError, nearest

EPOCH = "epoch"
ROUNDING = 1e-6  # of epochs, which are quotients of steps
ENERGY_MAE = "energy_mae [eV]"
FORCES_MAE = "forces_mae [eV/Å]"
DESCRIPTION = "the validation CSV file of a run"

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
    "stress_mae": "eV/Å^3",
    "stress_mse": "eV^2/Å^6",
    "stress_magnitude_error": "eV/Å^3",
}
# fairchem's evaluator counts errors below the thresholds (<), `ocp-dc evaluate` those up to them (<=)
SHORT_NAMES = {"energy_forces_within_threshold": "efwt", "per_atom_mae": "energy_per_atom_mae"}
STEP_TIME, PEAK_MEMORY = "step_time [s]", "peak_memory [MiB]"
# columns that differ between a resumed and an uninterrupted training run
MEASURED = (STEP_TIME, PEAK_MEMORY, row_table.CHECK)


class ValidationLog:
    """Append one row per validation to a CSV file; see :func:`ocp_dc.core.row_table.add_row`.

    Args:
        path: the file.
        enabled: whether this process writes; one of several ranks does.
    """

    def __init__(self, path: Path, enabled: bool = True) -> None:
        self.path = path
        self.enabled = enabled

    @staticmethod
    def unit(metric: str) -> str | None:
        """Return the unit of a metric, given its name in fairchem, or None if it is dimensionless."""
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
            step: number of optimizer steps so far.
            epoch: number of epochs so far.
            learning_rate: learning rate of the next step.
            train_losses: means since the last row, on scaled labels: ``loss``, and ``loss_<name>`` of each term.
            metrics: metrics by fairchem's names, energies in eV and forces in eV/Å; ``loss`` is on scaled labels.
            step_time: mean time of a training step since the last row, in seconds; None without a step.
            peak_memory: in MiB; None if the system does not report it.
        """
        if not self.enabled:
            return
        row: dict[str, object] = {"step": step, "epoch": epoch, "learning_rate": learning_rate}
        row |= {f"train_{name}": value for name, value in train_losses.items()}
        row["loss"] = metrics["loss"]
        for name, value in metrics.items():
            short = SHORT_NAMES.get(name, name)
            unit = UNITS.get(short.rpartition(".")[2])  # fairchem 2 names a metric of one of several sets SET.METRIC
            row.setdefault(f"{short} [{unit}]" if unit else short, value)
        measured = {STEP_TIME: step_time, PEAK_MEMORY: peak_memory}
        row_table.add_row(self.path, row | {name: "" if value is None else value for name, value in measured.items()})

    def cut_after(self, epoch: float) -> None:
        """Drop damaged rows and the rows after an epoch, which a resumed run writes again.

        Steps would not do: with another number of ranks or batch size, the same epoch is another step.
        """
        if self.enabled:
            row_table.cut_after(self.path, epoch + ROUNDING, EPOCH)


@dataclass(eq=False)
class TrainingLog:
    """Validation errors by epoch.

    Args:
        epoch: `[rows]`, increasing.
        energy_mae: `[rows]`, in eV per structure.
        forces_mae: `[rows]`, in eV/Å per component.
    """

    epoch: np.ndarray
    energy_mae: np.ndarray
    forces_mae: np.ndarray


def read_training_log(path: str | Path) -> TrainingLog:
    """Read the validation file of a training run, finished or not.

    Of two rows with the same epoch, as a resumed run may have, the later one is used. An incomplete last row, which
    may be in the process of being written, is skipped.

    Raises:
        UserError: there is no such file, a column is missing, a value is not a number, or there are no rows.
    """
    path = Path(path)
    header, rows = row_table.read(path, DESCRIPTION)
    columns = [_column(path, header, name) for name in (EPOCH, ENERGY_MAE, FORCES_MAE)]
    return TrainingLog(*_by_epoch(path, rows, columns).T)


def read_columns(path: str | Path) -> dict[str, np.ndarray]:
    """Read all columns of the validation file of a training run, with the same rows as :func:`read_training_log`.

    Returns:
        `[rows]` values by column name without unit; NaN for an empty cell. Empty if there are no rows.

    Raises:
        UserError: there is no such file, the column ``epoch`` is missing, or a value is not a number.
    """
    path = Path(path)
    header, rows = row_table.read(path, DESCRIPTION)
    _column(path, header, EPOCH)
    if not rows:
        return {}
    order = [header.index(EPOCH), *(i for i, name in enumerate(header) if name != EPOCH)]
    table = _by_epoch(path, [[value or "nan" for value in row] for row in rows], order)
    return {header[column].partition(" [")[0]: values for column, values in zip(order, table.T, strict=True)}


def _by_epoch(path: Path, rows: list[list[str]], columns: list[int]) -> np.ndarray:
    """Return `[rows, columns]` values, sorted by the first column; of rows with equal epochs the later one is used."""
    by_epoch: dict[float, list[float]] = {}
    for line, row in enumerate(rows, start=2):
        values = _numbers(path, line, row, columns)
        by_epoch[values[0]] = values
    if not by_epoch:
        raise UserError(f"{path}: got a header and no rows, expected a run that has been validated at least once")
    return np.array([by_epoch[epoch] for epoch in sorted(by_epoch)])


def _column(path: Path, header: list[str], name: str) -> int:
    if name not in header:
        raise UserError(
            f"{path}: got the columns {', '.join(header) or '(none)'}, expected {name!r} among them: is this the "
            f"validation file of a run?{nearest(name, header)}"
        )
    return header.index(name)


def _numbers(path: Path, line: int, row: list[str], columns: list[int]) -> list[float]:
    try:
        values = [float(row[column]) for column in columns]
        if not math.isfinite(values[0]):
            raise ValueError("the epoch is not finite")
        return values
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}: line {line}: got {','.join(row)!r}, expected a number in each column") from error
