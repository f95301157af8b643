"""The trials of a search as data: the input of its report."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ocp_dc.study.search.folder import SearchFolder
from ocp_dc.study.search.journal import FAILURE, MESSAGE, SECONDS, Journal, Key, rung_attribute
from ocp_dc.study.search.scores import Errors, pareto_front


@dataclasses.dataclass(frozen=True)
class TrialRecord:
    """A trial that was started.

    Args:
        key: its model and arm.
        number: its number, from 0.
        state: ``done``, ``pruned``, ``diverged``, ``failed`` or ``running``.
        rung: the last rung with errors, from 1; 0 before the first one.
        scores: the score at each rung; those of a Pareto search are the two means of logarithms, at its only rung.
        errors: energy and force error by data set at the last rung, in eV and eV/Å.
        values: the values that were chosen, by dotted key.
        seconds: time that workers spent on it.
        message: why it ended, unless it is done, and warnings about its runs.
        frozen: Optuna's record.
    """

    key: Key
    number: int
    state: str
    rung: int
    scores: tuple[float, ...]
    errors: Mapping[str, Errors]
    values: Mapping[str, Any]
    seconds: float
    message: str
    frozen: FrozenTrial

    @property
    def is_over(self) -> bool:
        """Whether this start of the search is done with it."""
        return self.state != "running"

    def describe(self) -> str:
        """Return how the trial ended, on one line."""
        found = [
            f"{e['energy_mae'] * 1e3:.4g} meV, {e['forces_mae'] * 1e3:.4g} meV/Å on {data}"
            for data, e in self.errors.items()
        ]
        score = f"score {', '.join(f'{each:.4f}' for each in self.scores[-1:])}" if self.scores else ""
        ending, warnings = ("done", self.message) if self.state == "done" else (self.message or self.state, "")
        return "; ".join(each for each in (ending, score, *found, f"{self.seconds:.0f} s", warnings) if each)


def read_trials(folder: SearchFolder) -> dict[Key, list[TrialRecord]]:
    """Return the trials of each model and arm so far, in order."""
    journal = Journal(folder.out, folder.search.options.seed)
    return {key: [_record(folder, key, trial) for trial in journal.trials(key)[: folder.trials]] for key in folder.keys}


def best_trials(folder: SearchFolder, records: list[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that went through all rungs, the best one first; of a Pareto search, those of the front."""
    done = [record for record in records if record.state == "done"]
    if folder.search.weights is None:
        points = [record.frozen.values for record in done]
        return [done[number] for number in pareto_front(points)]
    return sorted(done, key=lambda record: record.scores[-1])


def _record(folder: SearchFolder, key: Key, frozen: FrozenTrial) -> TrialRecord:
    attributes = frozen.user_attrs
    rungs = len(folder.search.rungs)
    found = [attributes[rung_attribute(rung)]["errors"] for rung in range(rungs) if rung_attribute(rung) in attributes]
    reached = [errors for errors in found if errors]
    diverged = len(reached) < len(found)
    message = attributes.get(MESSAGE, "")
    if frozen.state == TrialState.COMPLETE:
        state = "done"
    elif frozen.state == TrialState.PRUNED:
        state = "diverged" if diverged else "pruned"
    elif FAILURE in attributes:
        state, message = "failed", attributes[FAILURE]["message"]
    else:
        state = "running"
    space = folder.search.spaces[key[1]]
    scores = tuple(score for _, score in sorted(frozen.intermediate_values.items()) if math.isfinite(score))
    return TrialRecord(
        key,
        frozen.number,
        state,
        len(reached),
        scores,
        reached[-1] if reached else {},
        {name: space[name].value(chosen) for name, chosen in frozen.params.items() if name in space},
        attributes.get(SECONDS, 0.0),
        message,
        frozen,
    )
