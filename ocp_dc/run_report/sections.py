"""The sections of a report that need only the files of a run: config, curves, errors, times, environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ocp_dc.core.files import is_cut_off, read_json
from ocp_dc.evaluation.run_curves import run_curves_figure
from ocp_dc.hosts import Host
from ocp_dc.pages.parts import Cell, Column, Plot, Table, table_of_facts, table_of_rows
from ocp_dc.plotting.figures import png_bytes
from ocp_dc.run_report.config_changes import config_changes
from ocp_dc.run_report.run import Run
from ocp_dc.training.validation_log import EPOCH, ValidationLog, read_columns

Columns = Mapping[str, np.ndarray]


class Section(NamedTuple):
    """A section of a report: its heading, and sentences, tables and pictures."""

    title: str
    parts: Sequence[str | Table | Plot]


def validations(run: Run) -> dict[str, np.ndarray]:
    """Return the columns of the validation file by name; empty before the first validation."""
    return read_columns(run.validation) if run.validation.is_file() else {}


def progress(run: Run, columns: Columns) -> str:
    """Return how far a run came, in one sentence."""
    if not columns:
        return "No validation yet."
    tested = (
        "The test split was evaluated at the end." if (run.results / "test.json").is_file() else "No test errors yet."
    )
    return f"Last validation: epoch {columns[EPOCH][-1]:g}, step {int(columns['step'][-1]):,}. {tested}"


def config_section(host: Host, config: Mapping[str, Any]) -> Section:
    """Return the differences from the most similar config that ships."""
    changes = config_changes(host, config)
    if changes is None:
        return Section("Config", ["No config that ships has this model."])
    if not changes.values:
        return Section("Config", [f"As {changes.base} ships."])
    keys, before, now = (
        tuple(map(Cell, column))
        for column in zip(*((key, *values) for key, values in changes.values.items()), strict=True)
    )
    columns = (Column(("key", ""), keys), Column((changes.base, "as it ships"), before), Column(("this run", ""), now))
    return Section("Config", [Table(f"Differences from {changes.base}, the nearest config that ships", columns)])


def curves_section(columns: Columns) -> Section:
    """Return the learning curves."""
    if not columns:
        return Section("Learning curves", ["The run has no validation yet."])
    figure = run_curves_figure(columns)
    plot = Plot("learning_curves.png", "Errors, losses and learning rate", png_bytes(figure), figure.get_figwidth())
    return Section("Learning curves", [plot])


def records_section(run: Run, columns: Columns) -> Section:
    """Return the errors of the last and the lowest validation, and those of the test split as the run wrote them."""
    parts: list[str | Table | Plot] = []
    errors = {name: values for name, values in columns.items() if ValidationLog.unit(name.rpartition(".")[2])}
    if errors:
        rows = [
            {
                "validation error": name,
                "lowest": float(np.nanmin(values)) if np.isfinite(values).any() else float("nan"),
                "last": float(values[-1]),
                "unit": ValidationLog.unit(name.rpartition(".")[2]),
            }
            for name, values in errors.items()
        ]
        parts.append(table_of_rows("Validation", rows))
    test = run.results / "test.json"
    if test.is_file() and not is_cut_off(test):
        record = read_json(test, "evaluate the checkpoint again")
        units = record.pop("units", {})
        rows = [
            {"test error": name, "value": float("nan") if value is None else value, "unit": units.get(name, "")}
            for name, value in record.items()
            if name != "n_without_labels"
        ]
        parts.append(table_of_rows("Test split, at the end of the run", rows))
    return Section("Errors in training", parts or ["None yet."])


def times_section(columns: Columns) -> Section:
    """Return the times of steps and the memory."""
    if "step_time" not in columns or not np.isfinite(columns["step_time"]).any():
        return Section("Times", ["The run has no times of steps yet."])
    seconds, steps = columns["step_time"], columns["step"]
    known = np.isfinite(seconds)
    facts = {
        "step time, median": f"{1e3 * np.median(seconds[known]):.4g} ms",
        "step time, range": f"{1e3 * seconds[known].min():.4g} to {1e3 * seconds[known].max():.4g} ms",
        "steps": f"{int(steps[-1]):,}",
        "time of all steps": f"{float((np.diff(steps, prepend=0) * np.nan_to_num(seconds)).sum()):.4g} s",
    }
    memory = columns.get("peak_memory", np.array([np.nan]))
    if np.isfinite(memory).any():
        facts["peak memory"] = f"{np.nanmax(memory):,.0f} MiB"
    return Section("Times", [table_of_facts("Training steps, without validations and checkpoints", facts)])


def environment_section(run: Run) -> Section:
    """Return versions and devices; a run that was resumed on another machine has several."""
    tables = []
    for path in sorted(run.results.glob("environment*.json")):
        facts = {name: "–" if value is None else value for name, value in read_json(path, "remove it").items()}
        tables.append(table_of_facts(path.stem.capitalize(), {name: str(value) for name, value in facts.items()}))
    surgery = run.results / "surgery.json"
    if surgery.is_file() and not is_cut_off(surgery):
        record = json.loads(surgery.read_text(encoding="utf-8"))
        counts = {name: len(value) for name, value in record.items() if isinstance(value, list | dict)}
        tables.append(table_of_facts("Surgery", counts))
    return Section("Environment", tables or ["The run has not recorded its environment yet."])
