"""The tables of the report as cells of text, for the terminal, Markdown and HTML alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from ocp_dc.pages.parts import Cell, Column, Table
from ocp_dc.study.record import Quantity, StudyResults
from ocp_dc.study.report import changes
from ocp_dc.study.report.display import DisplayUnit, display_unit, in_kcal
from ocp_dc.study.report.groups import ArmResults, Group
from ocp_dc.study.report.reach import targets
from ocp_dc.study.report.statistics import Comparison

NOTHING = "–"
BEYOND = "*"


def primary_table(results: StudyResults, group: Group) -> Table:
    """Return the table of the verdict: primary quantities side by side, with their changes.

    Energies and forces are in meV or eV, then in kcal/mol and, if the study has them, per atom.
    """
    quantities = [q for q in results.quantities if q.primary]
    columns = [_names(group), _column(("seeds", ""), group, _seeds)]
    shown = [(q, display_unit(q, results.records)) for q in quantities]
    columns += [_values(*pair, group) for pair in shown] + [_changes(*pair, group) for pair in shown]
    columns += [_values(q, kcal, group) for q in quantities if (kcal := in_kcal(q))]
    per_atom = [q for q in results.quantities if _beside_primary(q)]
    columns += [_values(q, display_unit(q, results.records), group) for q in per_atom]
    notes = (
        "Mean ± standard deviation over the seeds that finished. Bold: the best mean among the arms that diverged with"
        " no seed and finished with the most.",
        f"Change: against the baseline, paired by seed; {BEYOND} beyond the spread over seeds at 5 %, corrected for the"
        " comparisons of the table.",
    )
    return Table(group.title, tuple(columns), notes)


def secondary_table(results: StudyResults, group: Group) -> Table:
    """Return the table of all other numbers: errors, costs, times until the baseline's error was reached, divergence.

    Quantities that no run has are left out, such as the loss term of another task.
    """
    others = [q for q in results.quantities if not q.primary and not _beside_primary(q) and _is_known(q, group)]
    columns = [_names(group), *(_values(q, display_unit(q, results.records), group) for q in others)]
    notes: tuple[str, ...] = ()
    if goals := targets(results):
        for q in goals:
            columns.append(_column((f"{results.x} to reach", q.label), group, _reached(q.key)))
        if len(goals) > 1:
            columns.append(_column((f"{results.x} to reach", "both" if len(goals) == 2 else "all"), group, _together))
        notes = (
            f"To reach: the first validation, by seed, that is as good as the best validation of the baseline with the"
            f" same seed; {NOTHING} where that is not known yet.",
        )
    columns.append(_column(("diverged", ""), group, lambda arm: f"{len(arm.with_status('diverged'))}/{len(arm.runs)}"))
    return Table(group.title, tuple(columns), notes)


def _beside_primary(quantity: Quantity) -> bool:
    return not quantity.primary and quantity.unit == "eV/atom"


def _is_known(quantity: Quantity, group: Group) -> bool:
    return any(arm.values(quantity) for arm in group.arms.values())


def _names(group: Group) -> Column:
    return _column(("arm", ""), group, lambda arm: arm.name + "\n(baseline)" * (arm.name == group.baseline))


def _column(heading: tuple[str, str], group: Group, text: Callable[[ArmResults], str]) -> Column:
    return Column(heading, tuple(Cell(text(arm)) for arm in group.arms.values()))


def _seeds(arm: ArmResults) -> str:
    """Return ``3``, or ``1 of 3`` above a line for each other status."""
    counts = Counter(run.status for run in arm.runs)
    done = counts.pop("done", 0)
    if not counts:
        return str(done)
    return "\n".join([f"{done} of {len(arm.runs)}", *(f"{count} {status}" for status, count in sorted(counts.items()))])


def _values(quantity: Quantity, shown: DisplayUnit, group: Group) -> Column:
    ranking = group.ranking(quantity)
    best = {arm.name for arm in ranking if arm.mean(quantity) == ranking[0].mean(quantity)} if len(ranking) > 1 else ()
    cells = tuple(Cell(_value(arm, quantity, shown), arm.name in best) for arm in group.arms.values())
    return Column((quantity.label, shown.unit), cells)


def _value(arm: ArmResults, quantity: Quantity, shown: DisplayUnit) -> str:
    values, done = arm.values(quantity), len(arm.with_status("done"))
    if not values:
        return NOTHING if done else ", ".join(sorted({run.status for run in arm.runs}))
    return shown.text(values) + (f" ({len(values)} of {done})" if len(values) < done else "")


def _changes(quantity: Quantity, shown: DisplayUnit, group: Group) -> Column:
    return _column(("change in", quantity.label), group, lambda arm: _change(arm.against_baseline, quantity, shown))


def _change(compared: Mapping[str, Comparison], quantity: Quantity, shown: DisplayUnit) -> str:
    comparison = compared.get(quantity.key)
    if comparison is None:
        return ""
    return changes.signed(comparison, shown) + f" {BEYOND}" * comparison.beyond or NOTHING


def _reached(key: str) -> Callable[[ArmResults], str]:
    return lambda arm: _list([reach.first[key] for reach in arm.reached])


def _together(arm: ArmResults) -> str:
    return _list([reach.together for reach in arm.reached])


def _list(values: Sequence[float | None]) -> str:
    return ", ".join("never" if value is None else f"{value:.4g}" for value in values) or NOTHING
