"""Reading the CSV file in which the trainer writes its validation errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocp_dc.core import row_table
from ocp_dc.core.errors import UserError, nearest

EPOCH = "epoch"
WHAT = "the validation CSV file of a run"
ENERGY_MAE = "energy_mae [eV]"
FORCES_MAE = "forces_mae [eV/Å]"


@dataclass(eq=False)
class TrainingLog:
    """Validation errors by epoch.

    Args:
        epoch: (N,) rising.
        energy_mae: (N,) eV per structure.
        forces_mae: (N,) eV/Å per component.
    """

    epoch: np.ndarray
    energy_mae: np.ndarray
    forces_mae: np.ndarray


def read_training_log(path: str | Path) -> TrainingLog:
    """Read the validation file of a run, finished or not.

    A resumed run may have validated an epoch twice: the later row counts. A last row that is still being written is
    left out.

    Raises:
        UserError: there is no such file, a column is missing, a value is not a number, or there are no rows.
    """
    path = Path(path)
    header, rows = row_table.read(path, WHAT)
    columns = [_column(path, header, name) for name in (EPOCH, ENERGY_MAE, FORCES_MAE)]
    return TrainingLog(*_by_epoch(path, rows, columns).T)


def read_columns(path: str | Path) -> dict[str, np.ndarray]:
    """Read every column of the validation file of a run, by its name without the unit; rows as in a training log.

    Returns:
        (N,) numbers by name, ``epoch`` among them; NaN where a value is not there.

    Raises:
        UserError: as :func:`read_training_log`; no rows are no mistake here.
    """
    path = Path(path)
    header, rows = row_table.read(path, WHAT)
    _column(path, header, EPOCH)
    if not rows:
        return {}
    order = [header.index(EPOCH), *(i for i, name in enumerate(header) if name != EPOCH)]
    table = _by_epoch(path, [[value or "nan" for value in row] for row in rows], order)
    return {header[column].partition(" [")[0]: values for column, values in zip(order, table.T, strict=True)}


def _by_epoch(path: Path, rows: list[list[str]], columns: list[int]) -> np.ndarray:
    """Return the numbers of some columns, (N, columns), by the first of them; of two rows the later one counts."""
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
