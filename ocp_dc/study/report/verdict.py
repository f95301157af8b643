"""The verdict of a study on one model and data set, in sentences that claim no more than the seeds support."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence

from ocp_dc.study.record import Quantity, StudyResults
from ocp_dc.study.report import changes
from ocp_dc.study.report.display import DisplayUnit, display_unit
from ocp_dc.study.report.groups import ArmResults, Group
from ocp_dc.study.report.sentences import (
    describe_arm,
    describe_mixed_changes,
    describe_significance,
    join_names,
    number_of_tests,
    sentence,
)
from ocp_dc.study.report.statistics import Comparison, compare, is_relative


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The verdict on one model and data set.

    Args:
        title: the model and the data set.
        overall: sentences about the best arm and the significance of its lead.
        arms: sentences about each arm; the baseline has some only if not all of its seeds finished.
    """

    title: str
    overall: tuple[str, ...]
    arms: Mapping[str, str]


def build_verdict(results: StudyResults, group: Group) -> Verdict:
    """Return the verdict on one model and data set of a study.

    A change is *beyond the spread* if the paired t-test over the seeds is significant at 5 % after the correction for
    the other comparisons of the table (:func:`ocp_dc.study.report.statistics.correct_p_values`). The best arm is
    compared with the runner-up without correction, although both are chosen for their errors: the two-sided test of
    the winner against the runner-up keeps its level (Hung and Fithian, Annals of Statistics 47, 758 (2019)).
    """
    shown = {q.key: display_unit(q, results.records) for q in results.quantities if q.primary}
    arms = {name: text for name, arm in group.arms.items() if (text := describe_arm(arm, group, shown))}
    return Verdict(group.title, tuple(_overall(results, group, shown)), arms)


def _overall(results: StudyResults, group: Group, shown: Mapping[str, DisplayUnit]) -> Iterator[str]:
    done = [arm.name for arm in group.arms.values() if arm.with_status("done")]
    if not done:
        yield "Nothing has finished: no verdict."
        return
    if done == [group.baseline]:
        yield f"Only the baseline, {group.baseline}, has finished: nothing to compare."
        return
    rankings = {q: order for q in results.quantities if q.primary and (order := group.ranking(q))}
    if rankings and all(len(order[0].values(q)) == 1 for q, order in rankings.items()):
        yield "One seed: no verdict."
        return
    contests = {q: order for q, order in rankings.items() if len(order) > 1}
    for quantity, order in contests.items():
        yield _leader(results, group, quantity, order, shown)
    leaders = list(dict.fromkeys(order[0].name for order in contests.values()))
    if len(contests) > 1:
        count = "both" if len(contests) == 2 else "all"
        yield f"The same arm leads on {count}." if len(leaders) == 1 else f"No arm leads on {count}."
    for name in leaders:
        for text in describe_mixed_changes([c for key, c in group.arms[name].against_baseline.items() if key in shown]):
            yield f"{name} is {text} than the baseline."
    ranked = {arm.name for order in rankings.values() for arm in order}
    if not contests:
        yield f"No ranking: {_why_no_ranking(ranked)}."
    if left_out := [f"{name} ({_statuses(arm)})" for name, arm in group.arms.items() if name not in ranked]:
        yield f"Not ranked: {', '.join(left_out)}."


def _leader(
    results: StudyResults,
    group: Group,
    quantity: Quantity,
    order: Sequence[ArmResults],
    shown: Mapping[str, DisplayUnit],
) -> str:
    """Return the arm with the best mean of a quantity, and its changes against the baseline and the runner-up."""
    first, second = order[:2]
    lead = f"{first.name} is {'lowest' if quantity.lower_is_better else 'highest'}"
    texts = [f"{quantity.label}: {lead}, and is the baseline"]
    if first.name != group.baseline:
        other = "the baseline, the runner-up" if second.name == group.baseline else "the baseline"
        comparison = first.against_baseline[quantity.key]
        tests = number_of_tests(group, shown)
        texts = [f"{quantity.label}: {lead}", _against(other, comparison, shown[quantity.key], tests)]
    if second.name != group.baseline:
        comparison = compare(first.runs, second.runs, quantity, is_relative(results.records, quantity))
        texts.append(_against(f"the runner-up, {second.name}", comparison, shown[quantity.key], 1))
    return sentence("; ".join(texts))


def _why_no_ranking(ranked: Collection[str]) -> str:
    if not ranked:
        return "each arm that finished diverged with a seed"
    return f"only {join_names(sorted(ranked))} finished with as many seeds and diverged with none"


def _against(other: str, comparison: Comparison, shown: DisplayUnit, tests: int) -> str:
    if len(comparison.seeds) < 2:
        return f"against {other}: {'one seed' if comparison.seeds else 'no seed'} in common, no verdict"
    seeds = f"{len(comparison.seeds)} seeds"
    if beyond := describe_significance(comparison, seeds, tests):
        return f"against {other}: {changes.without_interval(comparison, shown)}, {beyond}"
    return f"against {other}: no difference beyond the spread over {seeds} ({changes.signed(comparison, shown)})"


def _statuses(arm: ArmResults) -> str:
    counts = [(status, len(arm.with_status(status))) for status in ("done", "diverged", "failed", "unfinished")]
    text = ", ".join(f"{count} {status}" for status, count in counts if count)
    return f"{text} of {len(arm.runs)}"
