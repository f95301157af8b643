"""Plain sentences about one arm: its runs that are not done, and its changes against the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ocp_dc.study.record import RunRecord
from ocp_dc.study.report import changes
from ocp_dc.study.report.display import DisplayUnit
from ocp_dc.study.report.groups import ArmResults, Group
from ocp_dc.study.report.statistics import Comparison

LONGEST_REASON = 80


def describe_arm(arm: ArmResults, group: Group, shown: Mapping[str, DisplayUnit]) -> str:
    """Return the sentences about an arm; an empty text for a baseline whose seeds have all finished.

    Args:
        arm: the arm.
        group: all arms on that model and data set.
        shown: for each key of a primary quantity the unit to show it in.
    """
    texts = list(describe_missing_runs(arm))
    if arm.name != group.baseline and arm.with_status("done"):
        compared = [arm.against_baseline[key] for key in shown]
        pairs = max((len(c.seeds) for c in compared), default=0)
        if pairs < 2:
            texts.append(_too_few(pairs, len(arm.runs)))
        else:
            tests = number_of_tests(group, shown)
            texts.append("; ".join(_change(c, len(arm.runs), tests, shown[c.quantity.key]) for c in compared))
            texts.extend(describe_mixed_changes(compared))
    return " ".join(sentence(text) for text in texts)


def sentence(text: str) -> str:
    """Return a text as a sentence."""
    first = text.split()[0]
    return f"{text[0].upper() if first.strip(':').islower() else text[0]}{text[1:]}."  # nRMSE keeps its lowercase n


def number_of_tests(group: Group, keys: Mapping[str, DisplayUnit]) -> int:
    """Return the number of comparisons with the baseline that the correction was made for."""
    compared = [arm.against_baseline.get(key) for arm in group.arms.values() for key in keys]
    return sum(c is not None and c.p is not None for c in compared)


def describe_missing_runs(arm: ArmResults) -> Iterator[str]:
    """Yield the runs that are not done: ``diverged with 2 of 3 seeds: at step 312 (seed 1), ...``."""
    of = f"of {len(arm.runs)} seed{'s' if len(arm.runs) > 1 else ''}"
    for status in ("diverged", "failed"):
        if runs := arm.with_status(status):
            yield f"{status} with {len(runs)} {of}: {', '.join(_reason(run) for run in runs)}"
    if runs := arm.with_status("unfinished"):
        yield f"unfinished with {len(runs)} {of}: {', '.join(f'seed {run.seed}' for run in runs)}"


def describe_mixed_changes(compared: Sequence[Comparison]) -> Iterator[str]:
    """Yield ``better on energy MAE, worse on forces MAE`` if both hold beyond the spread."""
    better, worse = ([c.quantity.label for c in compared if c.better is which] for which in (True, False))
    if better and worse:
        yield f"better on {join_names(better)}, worse on {join_names(worse)}"


def join_names(names: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def join_some(names: Sequence[str], most: int = 3) -> str:
    """Return ``a, b, c and 4 more``."""
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return join_names([*names[:most], *more])


def describe_significance(comparison: Comparison, seeds: str, tests: int) -> str:
    """Return a statement that a change exceeds the spread over seeds, or an empty text if it does not.

    Args:
        comparison: the change, with a p-value.
        seeds: ``3 seeds``.
        tests: the number of comparisons of the table.
    """
    if comparison.beyond:
        return f"beyond the spread over {seeds}"
    return f"beyond the spread over {seeds} taken alone, not among {tests} comparisons" * comparison.beyond_alone


def _change(comparison: Comparison, planned: int, tests: int, shown: DisplayUnit) -> str:
    """Return the change of a quantity: ``energy MAE lower by 24 % (...), beyond the spread over 3 seeds``."""
    label, pairs = comparison.quantity.label, len(comparison.seeds)
    if pairs < 2:
        return f"{label}: {_too_few(pairs, planned)}"
    seeds = f"{pairs} seeds" if pairs == planned else f"the {pairs} of {planned} seeds that finished in both"
    if comparison.direction == 0 and comparison.low == comparison.high:
        return f"{label} the same with each of {seeds}"
    if beyond := describe_significance(comparison, seeds, tests):
        return f"{label} {changes.with_interval(comparison, shown)}, {beyond}"
    return f"{label}: no difference beyond the spread over {seeds} ({changes.signed(comparison, shown, interval=True)})"


def _too_few(pairs: int, planned: int) -> str:
    if planned == 1:
        return "one seed: no verdict"
    return f"{'one seed' if pairs else 'no seed'} in common with the baseline: no verdict"


def _reason(run: RunRecord) -> str:
    """Return when or why a run ended: the first clause of ``diverged at step 312: the loss is NaN``."""
    text = run.message.strip().partition("\n")[0].removeprefix("diverged ")
    if run.status == "diverged":
        text = text.partition(": ")[0]
    text = text.rstrip(". ")
    text = text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON].rstrip()} …"
    return f"{text} (seed {run.seed})" if text else f"seed {run.seed}"
