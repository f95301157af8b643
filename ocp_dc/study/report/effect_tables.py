"""The effects of a full factorial as tables, sentences and rows for other programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ocp_dc.pages.parts import Cell, Column, Table
from ocp_dc.study.record import Quantity, StudyResults
from ocp_dc.study.report import changes
from ocp_dc.study.report.display import DisplayUnit, display_unit
from ocp_dc.study.report.effects import Effect, Effects, Levels, estimate_effects, find_grid
from ocp_dc.study.report.groups import Group
from ocp_dc.study.report.sentences import join_some
from ocp_dc.study.report.tables import BEYOND, NOTHING

TIMES = " × "  # between the levels of an interaction


@dataclasses.dataclass(frozen=True, eq=False)
class EffectsPart:
    """The part of a report about the effects on one model and data set.

    Args:
        sentences: which axes interact, which seeds are left out; or why there are no effects.
        tables: main effects and interactions; effects within the levels of one other axis. None if nothing is known.
        effects: the numbers; None if arms are missing.
    """

    sentences: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    effects: Effects | None = None


def build_effects(results: StudyResults, group: Group) -> EffectsPart | None:
    """Return the effects of the axes on one model and data set; None if the study has fewer than two axes."""
    grid = find_grid(results, group)
    if grid is None or isinstance(grid, str):
        return None if grid is None else EffectsPart((f"{group.title}: {grid}",))
    effects = estimate_effects(results, group, grid)
    single = [effect for effect in effects.within if len(effect.within) == 1]
    notes = (
        "Change by a level against the first level of its axis, averaged over all levels of the other axes: the mean"
        f" over the seeds and its 95 % interval; {BEYOND} beyond the spread over seeds at 5 %, corrected for the others"
        " of the table.",
        f"An interaction (A{TIMES}B) is the change by A at B against the change by A at B's first level.",
    )
    tables = (
        _table(results, f"Effects, {group.title}", effects.main, notes),
        _table(results, f"Effects within one level of another axis, {group.title}", single, notes[:1]),
    )
    known = any(c.change is not None for effect in (*effects.main, *effects.within) for c in effect.on.values())
    return EffectsPart(tuple(_sentences(results, group, effects)), tables if known else (), effects)


def effect_rows(group: Group, part: EffectsPart | None) -> list[dict[str, object]]:
    """Return a row for each effect and primary quantity, also for those within the levels of several axes.

    Changes are ratios, 1 for none, or differences in the unit of the quantity for values that may be zero or less.
    """
    effects = part.effects if part else None
    if effects is None:
        return []
    return [
        {
            "model": group.model,
            "data": group.data,
            "effect": _name(effect.levels),
            "order": len(effect.levels),
            "within": "; ".join(f"{axis}: {level}" for axis, level in effect.within.items()),
            "quantity": key,
            "kind": "ratio" if c.relative else "difference",
            **{
                column: "" if value is None else value
                for column, value in (("change", c.change), ("low", c.low), ("high", c.high))
            },
            "seeds": len(c.seeds),
            **{column: "" if p is None else p for column, p in (("p", c.p), ("p_adjusted", c.p_adjusted))},
        }
        for effect in (*effects.main, *effects.within)
        for key, c in effect.on.items()
    ]


def _sentences(results: StudyResults, group: Group, effects: Effects) -> list[str]:
    sentences = []
    if effects.incomplete:
        sentences.append(
            f"{group.title}: {join_some(effects.incomplete)} did not finish with each seed; an effect that needs"
            " such a run is estimated from the other seeds, or not at all."
        )
    for quantity in _primary(results):
        pairs = [e for e in effects.main if len(e.levels) == 2 and e.on[quantity.key].p is not None]
        if not pairs:  # fewer than two seeds
            continue
        beyond = dict.fromkeys(tuple(e.levels) for e in pairs if e.on[quantity.key].beyond)
        found = [" and ".join(axes) for axes in beyond]
        sentences.append(
            f"{group.title}, {quantity.label}: "
            + (f"the effects of {'; of '.join(found)} depend on each other." if found else "no two axes interact")
            + ("" if found else " beyond the spread over seeds.")
        )
    return sentences


def _primary(results: StudyResults) -> list[Quantity]:
    return [q for q in results.quantities if q.primary]


def _table(results: StudyResults, title: str, effects: Sequence[Effect], notes: tuple[str, ...]) -> Table:
    columns = [Column(("effect of", ""), tuple(Cell(_row_name(effect)) for effect in effects))]
    most = max((len(c.seeds) for effect in effects for c in effect.on.values()), default=0)
    for quantity in _primary(results):
        shown = display_unit(quantity, results.records)
        cells = tuple(Cell(_change(effect, quantity, shown, most)) for effect in effects)
        columns.append(Column(("change in", quantity.label), cells))
    return Table(title, tuple(columns), notes)


def _change(effect: Effect, quantity: Quantity, shown: DisplayUnit, most: int) -> str:
    comparison = effect.on[quantity.key]
    text = changes.bracketed(comparison, shown) + f" {BEYOND}" * comparison.beyond
    few = len(comparison.seeds) < most
    return (text + f" ({len(comparison.seeds)} of {most} seeds)" * few) if text else NOTHING


def _row_name(effect: Effect) -> str:
    return _name(effect.levels) + (f"\nwhere {_name(effect.within)}" if effect.within else "")


def _name(levels: Levels) -> str:
    return TIMES.join(f"{axis}: {level}" for axis, level in levels.items())
