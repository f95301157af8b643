"""Scores of trials, and which trials go on after a rung."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence

Errors = Mapping[str, float]  # energy_mae in eV, forces_mae in eV/Å
KEYS = ("energy_mae", "forces_mae")


def score(errors: Iterable[Errors], weights: tuple[float, float]) -> float:
    """Return the weighted mean of the logarithms of the errors of some runs: a lower one is better.

    Scores of the same runs differ by the logarithm of a ratio of errors, so that neither the units nor the size of the
    errors on a data set matter.

    >>> round(score([{"energy_mae": 1.0, "forces_mae": 1.0}], (1, 1)), 3)
    0.0
    """
    logs = mean_logs(errors)
    return sum(weight * log for weight, log in zip(weights, logs, strict=True)) / sum(weights)


def mean_logs(errors: Iterable[Errors]) -> tuple[float, float]:
    """Return the mean logarithm of the energy errors and that of the force errors of some runs."""
    rows = [[math.log(max(each[key], sys.float_info.min)) for key in KEYS] for each in errors]
    energy, forces = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return energy, forces


def goes_on(own: float, others: Sequence[float], keep: float) -> bool:
    """Return whether a trial goes on after a rung: it is among the best share ``keep`` of those that reached it so far.

    This is the rule of asynchronous successive halving: nothing waits for the trials that come later.

    Args:
        own: the score of the trial at the rung.
        others: those of the other trials that reached the rung; infinite for one that diverged there.
        keep: the share; the best trial goes on in any case.
    """
    places = max(1, math.floor(keep * (len(others) + 1) + 1e-9))
    return sum(other < own for other in others) < places


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """Return the numbers of the points that no other point beats in one coordinate without losing in another."""
    return [
        number
        for number, point in enumerate(points)
        if not any(
            all(a <= b for a, b in zip(other, point, strict=True)) and tuple(other) != tuple(point) for other in points
        )
    ]
