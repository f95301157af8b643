"""The results of a study as data: the input of its report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

STATUSES = ("done", "diverged", "failed", "unfinished")


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A final number of a run, or a column of its learning curves.

    Args:
        key: its name in :attr:`RunRecord.metrics` or :attr:`RunRecord.curves`.
        label: its name in tables and plots, such as ``energy MAE``.
        unit: unit of the stored numbers, such as ``eV``; empty for a pure number.
        lower_is_better: true if smaller values are better; None if neither direction is better.
        primary: true if the verdict uses it; tables show the primary quantities side by side.
    """

    key: str
    label: str
    unit: str = ""
    lower_is_better: bool | None = True
    primary: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class RunRecord:
    """A run of a model on a data set, with an arm and a seed, and its results.

    Args:
        id: the stable identifier of the run, which is also the name of its folder.
        model: name of the model.
        data: name of the data set.
        arm: name of the arm.
        seed: the seed.
        status: ``done``, ``diverged`` (a result), ``failed`` or ``unfinished`` (missing results).
        message: the reason if the status is not ``done``: ``diverged at step 312: ...``.
        metrics: final numbers by the key of the quantity, on the test set at the best validation; those that the run
            does not have are absent.
        curves: columns by key, one value per validation, which may be NaN; absent before the first validation.
        folder: the folder of the run, with further data for plots.
        initial_weights: a digest of each parameter before the first step, by name; None if they are unknown.
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
    initial_weights: Mapping[str, str] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class StudyResults:
    """A study with all its runs, including planned ones.

    Args:
        title: one line.
        question: the question of the study, in a sentence or two; may be empty.
        baseline: the arm with which the others are compared.
        arms: names in the order of the tables, each with a short description of its changes.
        models: names of the models.
        data: names of the data sets, each with a short description such as numbers of structures.
        seeds: the seeds.
        budget: the budget as text, such as ``30 epochs``.
        command: the command that runs the study.
        quantities: final numbers, in the order of the tables.
        curves: columns of the learning curves, including ``x``.
        x: key of the horizontal axis of the curves, such as ``epoch``.
        records: every planned run.
        levels: for each arm that is a combination of axes, its level on each of them, by axis.
        warnings: why the results of some runs say little.
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
    levels: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def runs_of(self, model: str, data: str, arm: str) -> list[RunRecord]:
        """Return the runs of an arm with a model on a data set, sorted by seed."""
        chosen = [r for r in self.records if (r.model, r.data, r.arm) == (model, data, arm)]
        return sorted(chosen, key=lambda record: record.seed)
