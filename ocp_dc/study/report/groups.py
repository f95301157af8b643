"""The runs of a study by model and data set, its arms compared with the baseline and ranked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from ocp_dc.study.record import Quantity, RunRecord, StudyResults
from ocp_dc.study.report.reach import Reach, find_reach
from ocp_dc.study.report.statistics import Comparison, compare, correct_p_values, is_relative, value_of


@dataclasses.dataclass(frozen=True, eq=False)
class ArmResults:
    """The results of an arm on one model and data set.

    Args:
        name: its name.
        runs: its runs, by seed.
        against_baseline: for each key of a quantity its comparison with the baseline; empty for the baseline.
        reached: when the error of the baseline was reached, by seed.
    """

    name: str
    runs: Sequence[RunRecord]
    against_baseline: Mapping[str, Comparison]
    reached: Sequence[Reach]

    def with_status(self, status: str) -> list[RunRecord]:
        """Return the runs of this status."""
        return [run for run in self.runs if run.status == status]

    def values(self, quantity: Quantity) -> list[float]:
        """Return the finite values of the runs that are done, by seed."""
        return [value for run in self.runs if (value := value_of(run, quantity)) is not None]

    def mean(self, quantity: Quantity) -> float:
        """Return the mean of :meth:`values`, NaN if there are none."""
        values = self.values(quantity)
        return math.fsum(values) / len(values) if values else math.nan


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """All arms on one model and data set: one table, one verdict, one set of plots."""

    model: str
    data: str
    baseline: str
    arms: Mapping[str, ArmResults]

    @property
    def title(self) -> str:
        """Return the model and the data set, in words."""
        return f"{self.model} on {self.data}"

    def ranking(self, quantity: Quantity) -> list[ArmResults]:
        """Return the arms that can be ranked, the best mean first.

        These arms diverged with no seed, and no arm without divergence finished with more seeds. Means over fewer
        seeds, or over only the successful ones, are not comparable. Empty for a quantity without a better direction.
        """
        if quantity.lower_is_better is None:
            return []
        steady = {arm.name: len(arm.values(quantity)) for arm in self.arms.values() if not arm.with_status("diverged")}
        most = max(steady.values(), default=0)
        chosen = [self.arms[name] for name, seeds in steady.items() if seeds == most > 0]
        return sorted(chosen, key=lambda arm: arm.mean(quantity), reverse=not quantity.lower_is_better)


def gather(results: StudyResults) -> list[Group]:
    """Return a group for each model and data set that has runs, in the order of the study."""
    relative = {q.key: is_relative(results.records, q) for q in results.quantities}
    return [
        _group(results, model, data, relative)
        for model in results.models
        for data in results.data
        if any((run.model, run.data) == (model, data) for run in results.records)
    ]


def _group(results: StudyResults, model: str, data: str, relative: Mapping[str, bool]) -> Group:
    runs = {arm: found for arm in results.arms if (found := results.runs_of(model, data, arm))}
    reference = runs.get(results.baseline, [])
    compared: dict[str, dict[str, Comparison]] = {arm: {} for arm in runs}
    for primary in (True, False):  # the verdict's comparisons are one table, the others another
        table = {
            (arm, q.key): compare(found, reference, q, relative[q.key])
            for arm, found in runs.items()
            for q in results.quantities
            if arm != results.baseline and q.primary is primary
        }
        for (arm, key), comparison in correct_p_values(table).items():
            compared[arm][key] = comparison
    arms = {
        arm: ArmResults(arm, found, compared[arm], find_reach(results, found, reference)) for arm, found in runs.items()
    }
    return Group(model, data, results.baseline, arms)
