"""What a study found, as data: the one input of its report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

STATUSES = ("done", "diverged", "failed", "unfinished")


@dataclasses.dataclass(frozen=True)
class Quantity:
    """One number that a run ends with, or one column of its learning curves.

    Args:
        key: its name in :attr:`RunRecord.metrics` or :attr:`RunRecord.curves`.
        label: its name in tables and plots, such as ``energy MAE``.
        unit: unit of the stored numbers, such as ``eV``; empty for a pure number.
        lower_is_better: whether a smaller value is the better one; None where neither is (a cost, say).
        primary: whether the verdict is about it; tables show the primary ones side by side.
    """

    key: str
    label: str
    unit: str = ""
    lower_is_better: bool | None = True
    primary: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class RunRecord:
    """One run: a model, a data set, an arm and a seed.

    Args:
        id: the run's stable identifier, which is the name of its folder too.
        model: name of the model.
        data: name of the data set.
        arm: name of the arm.
        seed: the seed.
        status: ``done``, ``diverged`` (a result), ``failed`` or ``unfinished`` (holes).
        message: what happened, where the status is not ``done``: ``diverged at step 312: ...``.
        metrics: final numbers by key of the study's quantities, of the test set at the best validation; what a run
            does not have is absent.
        curves: (N,) columns by key, one value per validation; they may hold NaN, and are absent before the first
            validation.
        folder: the run's folder, with whatever plots read beyond these numbers.
        initial_weights: a digest of the parameters before the first step, None where it is unknown.
    """

    id: str
    model: str
    data: str
    arm: str
    seed: int
    status: str
    folder: Path
    message: str = ""
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    curves: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    initial_weights: str | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class StudyResults:
    """A study with all of its runs, planned ones included.

    Args:
        title: one line.
        question: what the study asks, a sentence or two; may be empty.
        baseline: the arm that the others are compared with.
        arms: names in the order of the tables, each with a short description of what it changes.
        models: names.
        data: names of the data sets, each with a short description (counts of structures, say).
        seeds: the seeds.
        budget: the budget in words, such as ``30 epochs``.
        command: the command that runs the study.
        quantities: final numbers, in the order of the tables.
        curves: columns of the learning curves, among them ``x``.
        x: key of the curves' axis, such as ``epoch``.
        records: every planned run.
    """

    title: str
    question: str
    baseline: str
    arms: Mapping[str, str]
    models: tuple[str, ...]
    data: Mapping[str, str]
    seeds: tuple[int, ...]
    budget: str
    command: str
    quantities: tuple[Quantity, ...]
    curves: tuple[Quantity, ...]
    x: str
    records: tuple[RunRecord, ...]

    def of(self, model: str, data: str, arm: str) -> list[RunRecord]:
        """Return the runs of one arm on one model and data set, by seed."""
        chosen = [r for r in self.records if (r.model, r.data, r.arm) == (model, data, arm)]
        return sorted(chosen, key=lambda record: record.seed)
