"""The CSV of validations: one row each, units in the header."""

from __future__ import annotations

import csv
from pathlib import Path

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
LEADING = ("step", "epoch", "learning_rate", "train_loss", "loss")


class ValidationLog:
    """Appends a row per validation to a CSV file.

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
        self, *, step: int, epoch: float, learning_rate: float, train_loss: float, metrics: dict[str, float]
    ) -> None:
        """Append a row.

        Args:
            step: optimizer steps so far.
            epoch: epochs so far.
            learning_rate: of the next step.
            train_loss: mean of the loss on scaled labels since the last row.
            metrics: by fairchem's names, energies in eV and forces in eV/Å; ``loss`` is on scaled labels.
        """
        if not self.enabled:
            return
        row = {"step": step, "epoch": epoch, "learning_rate": learning_rate, "train_loss": train_loss}
        row["loss"] = metrics["loss"]
        for name, value in metrics.items():
            short = SHORT_NAMES.get(name, name)
            if short not in LEADING:
                unit = UNITS.get(short)
                row[f"{short} [{unit}]" if unit else short] = value
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)

    def cut_after(self, step: int) -> None:
        """Drop the rows past ``step``: a resumed run writes them again."""
        if not self.enabled or not self.path.exists():
            return
        with self.path.open(newline="") as file:
            header, *rows = list(csv.reader(file))
        with self.path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *(row for row in rows if int(row[0]) <= step)])
