"""The CSV of validations: one row each, units in the header."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from ocp_dc.core import row_table

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


class ValidationLog:
    """Appends a row per validation to a CSV file.

    A file that lacks a column, since an earlier version or another config began it, gets the column, empty in the rows
    that are there; a column that a row does not have stays, empty in that row.

    Args:
        path: the file.
        enabled: whether this process writes at all.
    """

    def __init__(self, path: Path, enabled: bool = True) -> None:
        self.path = path
        self.enabled = enabled

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
        step_time: float,
        peak_memory: float,
    ) -> None:
        """Append a row.

        Args:
            step: optimizer steps so far.
            epoch: epochs so far.
            learning_rate: of the next step.
            train_losses: means since the last row, on scaled labels: ``loss``, and ``loss_<name>`` of each term.
            metrics: by fairchem's names, energies in eV and forces in eV/Å; ``loss`` is on scaled labels.
            step_time: of a training step, seconds.
            peak_memory: MiB.
        """
        if not self.enabled:
            return
        row: dict[str, object] = {"step": step, "epoch": epoch, "learning_rate": learning_rate}
        row |= {f"train_{name}": value for name, value in train_losses.items()}
        row["loss"] = metrics["loss"]
        for name, value in metrics.items():
            short = SHORT_NAMES.get(name, name)
            unit = UNITS.get(short)
            row.setdefault(f"{short} [{unit}]" if unit else short, value)
        row |= {STEP_TIME: step_time, PEAK_MEMORY: peak_memory}
        cells = row_table.checked(row)
        row_table.append(self.path, self._header_with(list(cells)), cells)

    def cut_after(self, step: int) -> None:
        """Drop the rows past ``step``, and one that a kill cut short: a resumed run writes them again."""
        if not self.enabled or not self.path.exists():
            return
        header, rows = self._read()
        row_table.write(self.path, header, (row for row in rows if int(row[0]) <= step))

    def _header_with(self, columns: list[str]) -> list[str]:
        """Return the columns of the file, which has ``columns`` among them from here on."""
        header, rows = self._read() if self.path.exists() else ([], [])
        if header and set(columns) <= set(header) and self._is_whole():
            return header
        wider = [*columns, *(name for name in header if name not in columns)]
        named = [dict(zip(header, row, strict=True)) for row in rows]
        row_table.write(self.path, wider, ([row.get(name, "") for name in wider] for row in named))
        return wider

    def _is_whole(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"

    def _read(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows, without rows that a kill or a full disk left cut short.

        A row with a number that does not fit its checksum stays: whoever reads the file is told.
        """
        lines = self.path.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        header, *rows = list(csv.reader(whole)) or [[]]
        kept = [row for row in rows if len(row) == len(header) and row[0].isdecimal()]
        if lost := len(rows) - len(kept):
            logging.warning(f"{self.path}: {lost} of {len(rows)} rows are damaged and left out")
        return header, kept
