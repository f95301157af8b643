"""Comparisons of two arms, paired by seed: the change, its 95 % interval and its p-value."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
from scipy import stats

from ocp_dc.study.record import Quantity, RunRecord

LEVEL = 0.05
ROUNDING = 1e-12  # differences that agree to this, relative to what was subtracted, are the same number
Key = TypeVar("Key")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A quantity of an arm compared with the same quantity of another arm.

    Args:
        quantity: the quantity.
        seeds: the seeds that finished in both and have the quantity.
        relative: true if changes are ratios (1 is no change), false for differences in the quantity's unit (0 is none).
        change: ratio of the geometric means, or difference of the means; None without seeds.
        low: lower end of the 95 % interval of ``change``; None below two seeds.
        high: upper end.
        p: two-sided p-value of the paired t-test; None below two seeds.
        p_adjusted: the same, corrected for the other comparisons of its table; None if it has not been corrected.
    """

    quantity: Quantity
    seeds: tuple[int, ...]
    relative: bool
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None

    @property
    def direction(self) -> int:
        """Return -1 if the arm is lower, 1 if it is higher, 0 if both are the same or nothing is known."""
        if self.change is None:
            return 0
        none = 1.0 if self.relative else 0.0
        return (self.change > none) - (self.change < none)

    @property
    def beyond_alone(self) -> bool:
        """Return whether the change would exceed the spread over seeds if it were the only comparison."""
        return self.p is not None and self.p < LEVEL

    @property
    def beyond(self) -> bool:
        """Return whether the change exceeds the spread over seeds, corrected if it belongs to a table."""
        return self.beyond_alone and (self.p_adjusted is None or self.p_adjusted < LEVEL)

    @property
    def better(self) -> bool | None:
        """Return whether the change is for the better (True), for the worse (False), or neither (None)."""
        if not self.beyond or self.direction == 0 or self.quantity.lower_is_better is None:
            return None
        return (self.direction < 0) == self.quantity.lower_is_better


def value_of(record: RunRecord, quantity: Quantity) -> float | None:
    """Return a quantity of a run, or None if the run is not done or the value is not finite."""
    value = record.metrics.get(quantity.key)
    return None if record.status != "done" or value is None or not math.isfinite(value) else float(value)


def is_relative(records: Iterable[RunRecord], quantity: Quantity) -> bool:
    """Return whether changes of a quantity are given as ratios, as for errors and costs that are all above zero.

    For quantities that are better when higher (a cosine, a share of structures), ratios near zero are meaningless.
    """
    values = [value for record in records if (value := value_of(record, quantity)) is not None]
    return quantity.lower_is_better is not False and all(value > 0 for value in values)


def compare(
    arm: Sequence[RunRecord], baseline: Sequence[RunRecord], quantity: Quantity, relative: bool | None = None
) -> Comparison:
    """Compare the runs of an arm with those of the baseline, seed by seed.

    Runs of one seed share initial weights and the order of batches, so their errors are correlated, and pairs are more
    precise than two separate means. Only seeds that finished in both make a pair. Below two pairs there is no interval
    and no p-value. The test is Student's t on the paired differences (of logarithms if the change is a ratio). It
    assumes that they are normally distributed, which a few seeds can neither show nor refute.

    Args:
        arm: the runs of the arm, one for each seed.
        baseline: those of the baseline.
        quantity: the quantity.
        relative: ratios or differences; None lets :func:`is_relative` decide from these runs.
    """
    if relative is None:
        relative = is_relative((*arm, *baseline), quantity)
    ours, theirs = ({r.seed: v for r in runs if (v := value_of(r, quantity)) is not None} for runs in (arm, baseline))
    seeds = tuple(sorted(ours.keys() & theirs.keys()))
    if not seeds:
        return Comparison(quantity, seeds, relative)
    a, b = (np.array([values[seed] for seed in seeds]) for values in (ours, theirs))  # [pairs] each
    if relative:
        a, b = np.log(a), np.log(b)
    return estimate(quantity, seeds, a - b, float(max(np.abs(a).max(), np.abs(b).max())), relative)


def estimate(
    quantity: Quantity, seeds: Sequence[int], differences: np.ndarray, magnitude: float, relative: bool
) -> Comparison:
    """Return the mean of differences over the seeds as a change, with Student's interval and p-value.

    Args:
        quantity: the quantity.
        seeds: one or more seeds.
        differences: one for each seed, of logarithms if the change is a ratio.
        magnitude: the largest of the numbers that were subtracted; it bounds the rounding of the differences.
        relative: ratios or differences.
    """
    back = math.exp if relative else float
    mean = float(np.mean(differences))
    comparison = Comparison(quantity, tuple(seeds), relative, change=back(mean))
    if len(differences) < 2:
        return comparison
    if np.ptp(differences) <= ROUNDING * magnitude:  # no variance, which the t-test divides by
        if mean == 0 or np.abs(differences).max() <= ROUNDING * magnitude:
            return dataclasses.replace(comparison, change=back(0), low=back(0), high=back(0), p=1.0)
        return dataclasses.replace(comparison, low=comparison.change, high=comparison.change, p=0.0)
    result = stats.ttest_1samp(differences, 0)
    low, high = result.confidence_interval(1 - LEVEL)
    with np.errstate(over="ignore"):
        low, high = (float(np.exp(end)) if relative else float(end) for end in (low, high))
    return dataclasses.replace(comparison, low=low, high=high, p=float(result.pvalue))


def correct_p_values(table: dict[Key, Comparison]) -> dict[Key, Comparison]:
    """Return the comparisons of one table with ``p_adjusted`` filled in: Benjamini and Hochberg's correction.

    A table has a comparison for each arm and quantity, and at a level of 5 % one in twenty arms without any effect
    would seem to have one. The correction bounds the expected share of such false findings among all that are
    reported, for tests that are independent or depend on one another positively, as tests with a common baseline tend
    to (Benjamini and Yekutieli, Annals of Statistics 29, 1165 (2001)). The intervals are those of single comparisons.
    """
    tested = {key: comparison.p for key, comparison in table.items() if comparison.p is not None}
    if not tested:
        return table
    adjusted = stats.false_discovery_control(list(tested.values()), method="bh")
    by_key = dict(zip(tested, adjusted.tolist(), strict=True))
    return {key: dataclasses.replace(value, p_adjusted=by_key.get(key)) for key, value in table.items()}
