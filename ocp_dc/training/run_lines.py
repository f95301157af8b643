"""The lines about a training run that a user reads: a header, a line for each validation, and the last lines."""

from __future__ import annotations

import datetime
import math
import shlex
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import nn

from ocp_dc.labels import LabelRescaling
from ocp_dc.surgery.report import Report
from ocp_dc.training.listeners import Listener, Metrics
from ocp_dc.training.output import say
from ocp_dc.training.schedule import higher_is_better
from ocp_dc.training.state import TrainingState
from ocp_dc.training.validation_log import SHORT_NAMES, read_columns

# metric: its name for the user, and its unit, of which there are 1000 in that of the metric
SHOWN = {"energy_mae": ("energy", "meV"), "forces_mae": ("forces", "meV/Å")}


def say_header(lines: Mapping[str, str | None]) -> None:
    """Show the facts about a run, a line for each that there is."""
    width = max(map(len, lines))
    for title, text in lines.items():
        if text:
            say(f"{title:{width}}  {text}")


def model_line(name: str, model: nn.Module) -> str:
    """Return the name and the size of a model."""
    count = sum(parameter.numel() for parameter in model.parameters())
    return f"{name}, {count:,} parameters"


def surgery_line(report: Report | None) -> str | None:
    """Return what surgery changed, in one line; None without surgery."""
    return None if report is None else str(report).splitlines()[0].removeprefix("surgery: ")


def data_line(counts: Mapping[str, int]) -> str:
    """Return the number of structures of each split."""
    return ", ".join(f"{count:,} {split}" for split, count in counts.items()) + " structures"


def label_line(rescaling: LabelRescaling | None) -> str:
    """Return the center and the number C of the labels."""
    if rescaling is None:
        return "in eV and eV/Å"
    per_element = "a reference energy per element" if rescaling.references is not None else None
    center = per_element or (f"{rescaling.mean:.6g} eV" if rescaling.mean else "nothing")
    return f"energies minus {center}; energies and forces divided by C = {rescaling.scale:.5g} eV"


def shown_errors(metrics: Mapping[str, float]) -> dict[str, str]:
    """Return the errors that a user looks at first, by name, in meV and meV/Å.

    fairchem 2 names the metric of one of several data sets ``SET.METRIC``.
    """
    found = {}
    for name, value in metrics.items():
        group, _, metric = name.rpartition(".")
        if metric in SHOWN:
            title, unit = SHOWN[metric]
            found[f"{group} {title}".strip()] = f"{1e3 * value:.1f} {unit}"
    return found


def shown_path(path: Path) -> str:
    """Return a path, relative to the working folder if it is below it."""
    below = path.is_absolute() and path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd()) if below else path)


def in_words(metrics: Mapping[str, float]) -> str:
    """Return the errors that a user looks at first, or else the loss, as text."""
    errors = shown_errors(metrics) or {"loss": f"{metrics['loss']:.4g}"}
    return ", ".join(f"{name} {value}" for name, value in errors.items())


class ValidationLines(Listener):
    """Show a line for each validation: epoch, step, errors, learning rate, time in this process, and if it is the best.

    Args:
        now: returns the time in seconds.
    """

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._columns: list[str] = []

    def start(self, state: TrainingState) -> None:
        """Start the clock."""
        self._since = time.monotonic()

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Show the line, and the names of its columns before the first one."""
        if metrics is None:
            return
        errors = shown_errors(metrics)
        if SHORT_NAMES.get(state.primary_metric, state.primary_metric) not in SHOWN:
            errors[state.primary_metric] = f"{metrics[state.primary_metric]:.4g}"
        seconds = datetime.timedelta(seconds=int(time.monotonic() - self._since))
        cells = {
            "epoch": f"{state.epoch:g}",
            "step": str(state.step),
            **errors,
            "learning rate": f"{state.learning_rate:.2e}",
            "time": str(seconds),
        }
        if list(cells) != self._columns:
            self._columns = list(cells)
            say("  ".join(f"{name:>{_width(name)}}" for name in cells))
        best = "" if state.evaluations_since_best else "  best"
        say("  ".join(f"{value:>{_width(name)}}" for name, value in cells.items()) + best)


def _width(name: str) -> int:
    return max(len(name), {"epoch": 6, "step": 8, "learning rate": 8, "time": 8}.get(name, 13))


def say_end(
    validation: Path, primary_metric: str, best: Path, test: Mapping[str, float] | None, data: str | None, out: Path
) -> None:
    """Show the errors of the best validation, those of the test split, and the command to go on with.

    Args:
        validation: validation.csv of the run.
        primary_metric: the metric that selects the best weights.
        best: the checkpoint with them.
        test: its errors on the test split, in eV and eV/Å; None if it was not evaluated.
        data: the data set for the next command; None if there is none.
        out: the folder for its results.
    """
    if not best.is_file():
        return
    found = best_row(validation, primary_metric) if validation.is_file() else None
    if found is not None:
        say(f"best validation: epoch {found['epoch']:g}, {in_words(found)}")
    if test is not None:
        say(f"test split: {in_words(test)}")
    say(f"best checkpoint: {shown_path(best)}")
    if data is not None:
        command = ["ocp-dc", "evaluate", shown_path(best), shown_path(Path(data)), "--out", shown_path(out)]
        say(f"next: {shlex.join(command)}")


def best_row(path: Path, primary_metric: str) -> dict[str, float] | None:
    """Return the validation of the best weights, which a run keeps, by column; None if no validation is finite.

    Args:
        path: validation.csv of the run.
        primary_metric: the metric that selects the best weights.
    """
    columns = read_columns(path)  # of equal values the first counts, as in the run
    values = columns.get(SHORT_NAMES.get(primary_metric, primary_metric))
    if values is None or not np.isfinite(values).any():
        return None
    row = int(np.nanargmax(values) if higher_is_better(primary_metric) else np.nanargmin(values))
    return {name: float(column[row]) for name, column in columns.items() if not math.isnan(column[row])}
