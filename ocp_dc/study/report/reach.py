"""Steps or epochs until an arm reaches the validation error of the baseline: the cost of the same accuracy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ocp_dc.study.record import Quantity, RunRecord, StudyResults


@dataclasses.dataclass(frozen=True)
class Reach:
    """The time at which the run of one seed was first as good as the baseline's best validation with that seed.

    Args:
        seed: the seed.
        first: for each key of a primary quantity the value of the curves' x; None for never.
        together: the first x at which all of them have been reached; None for never.
    """

    seed: int
    first: Mapping[str, float | None]
    together: float | None


def targets(results: StudyResults) -> list[Quantity]:
    """Return the primary quantities that also have a learning curve."""
    curves = {curve.key for curve in results.curves}
    return [q for q in results.quantities if q.primary and q.key in curves and q.lower_is_better is not None]


def find_reach(results: StudyResults, arm: Sequence[RunRecord], baseline: Sequence[RunRecord]) -> list[Reach]:
    """Return when each seed of an arm reached the baseline's error, paired by seed.

    The baseline's best is the lowest validation error (or the highest, if that is better) of a run that is done, for
    each quantity separately. A diverged run that has not reached it never will. A failed or unfinished run still might,
    so it is left out unless it has reached it already.

    Args:
        results: the study, for its quantities and its axis.
        arm: the runs of the arm.
        baseline: those of the baseline.
    """
    references = {run.seed: run for run in baseline if run.status == "done"}
    found = []
    for run in arm:
        reference = references.get(run.seed)
        if reference is None or not _has_curves(results, reference) or not _has_curves(results, run):
            continue
        hits = {q.key: _as_good(run, reference, q) for q in targets(results)}  # [N] each
        x = np.asarray(run.curves[results.x])
        first = {key: _first_hit(x, hit) for key, hit in hits.items()}
        times = [time for time in first.values() if time is not None]
        complete = len(times) == len(first)
        if run.status in ("done", "diverged") or complete:
            found.append(Reach(run.seed, first, max(times) if complete else None))
    return found


def _has_curves(results: StudyResults, run: RunRecord) -> bool:
    keys = [results.x, *(q.key for q in targets(results))]
    return len(keys) > 1 and all(np.size(run.curves.get(key, ())) for key in keys)


def _as_good(run: RunRecord, reference: RunRecord, quantity: Quantity) -> np.ndarray:
    """Return ``[N]`` booleans: true for validations at least as good as the best of the reference; false for NaN."""
    sign = 1 if quantity.lower_is_better else -1
    goal = sign * np.asarray(reference.curves[quantity.key], dtype=float)
    goal = goal[np.isfinite(goal)]
    values = sign * np.asarray(run.curves[quantity.key], dtype=float)
    return values <= goal.min() if len(goal) else np.zeros(len(values), dtype=bool)


def _first_hit(x: np.ndarray, hit: np.ndarray) -> float | None:
    return float(x[hit.argmax()]) if hit.any() else None
