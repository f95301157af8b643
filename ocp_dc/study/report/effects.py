"""Effects of the axes of a study whose arms are a full factorial: main effects, interactions, effects within levels."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ocp_dc.study.record import Quantity, StudyResults
from ocp_dc.study.report.groups import Group
from ocp_dc.study.report.sentences import join_some
from ocp_dc.study.report.statistics import Comparison, correct_p_values, estimate, is_relative, value_of

MOST_EFFECTS = 15  # with more of them, as five axes of two levels have, only main effects and pairs are estimated

Levels = Mapping[str, str]  # a level for some of the axes, by axis


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """Arms that are all combinations of the levels of their axes.

    Args:
        axes: the levels of each axis; the first one is what the others are compared with.
        arms: names of the arms, an array with a dimension for each axis.
    """

    axes: Mapping[str, tuple[str, ...]]
    arms: NDArray[np.str_]

    def changes(self, order: int) -> Iterator[dict[str, str]]:
        """Yield the levels, other than the first, of every choice of ``order`` axes."""
        for axes in itertools.combinations(self.axes, order):
            for levels in itertools.product(*(self.axes[axis][1:] for axis in axes)):
                yield dict(zip(axes, levels, strict=True))


@dataclasses.dataclass(frozen=True, eq=False)
class Effect:
    """What one level does, or several levels of different axes together.

    Args:
        levels: the levels by axis; more than one for an interaction.
        within: levels of other axes to which the arms are limited; empty for all arms.
        on: the effect on each primary quantity by its key.
    """

    levels: Levels
    within: Levels
    on: Mapping[str, Comparison]


@dataclasses.dataclass(frozen=True, eq=False)
class Effects:
    """The effects of the axes on one model and data set.

    Args:
        grid: the arms.
        main: the effect of each level, and the interactions after them.
        within: the effect of each level within the levels of others, those within one level first.
        incomplete: arms that some seeds have not finished, or finished without a number.
    """

    grid: Grid
    main: tuple[Effect, ...]
    within: tuple[Effect, ...]
    incomplete: tuple[str, ...]


def find_grid(results: StudyResults, group: Group) -> Grid | str | None:
    """Return the full factorial that the arms of a group are.

    Named arms beside the axes are left out. Axes with one level among the arms are none.

    Returns:
        The grid; if arms are missing, their names in a sentence; None with fewer than two axes.
    """
    arms = {name: results.levels[name] for name in group.arms if results.levels.get(name)}
    found = {axis: tuple(dict.fromkeys(levels[axis] for levels in arms.values())) for axis in _first(arms)}
    axes = {axis: levels for axis, levels in found.items() if len(levels) > 1}
    if len(axes) < 2:
        return None
    by_levels = {tuple(levels[axis] for axis in axes): name for name, levels in arms.items()}
    combinations = list(itertools.product(*axes.values()))
    if missing := [" / ".join(levels) for levels in combinations if levels not in by_levels]:
        verb = "is" if len(missing) == 1 else "are"
        return f"no effects of the axes, which need all combinations: {join_some(missing)} {verb} missing."
    names = np.array([by_levels[levels] for levels in combinations])
    return Grid(axes, names.reshape([len(levels) for levels in axes.values()]))


def estimate_effects(results: StudyResults, group: Group, grid: Grid) -> Effects:
    """Estimate the effects of the axes on the primary quantities, on their logarithms if they are errors.

    With each seed the effect of a level is the difference between the arms with it and those with the first level of
    its axis, averaged over all levels of the other axes. An interaction is the difference between the effects of a
    level at two levels of another axis, and so on for more axes. The mean over the seeds has Student's 95 % interval
    and p-value, as comparisons of arms do. A seed counts where all arms that the effect needs have finished with it.

    p-values are corrected for the others of their table: effects over all arms, and those within as many levels.

    Args:
        results: the study.
        group: its runs of a model and data set.
        grid: the arms.
    """
    quantities = [q for q in results.quantities if q.primary]
    seeds = sorted({run.seed for arm in group.arms.values() for run in arm.runs})
    values = {q.key: _values(group, grid, q, seeds) for q in quantities}  # each [seeds, levels of each axis]
    relative = {q.key: is_relative(results.records, q) for q in quantities}

    def table(choices: Sequence[tuple[Levels, Levels]]) -> list[Effect]:
        estimates = {
            (i, q.key): _estimate(grid, q, seeds, values[q.key], relative[q.key], levels, within)
            for i, (levels, within) in enumerate(choices)
            for q in quantities
        }
        corrected = correct_p_values(estimates)
        return [
            Effect(levels, within, {q.key: corrected[i, q.key] for q in quantities})
            for i, (levels, within) in enumerate(choices)
        ]

    incomplete = [str(arm) for arm in grid.arms.flat if _is_incomplete(grid, str(arm), values)]
    orders = [list(grid.changes(order)) for order in range(1, len(grid.axes) + 1)]
    if sum(map(len, orders)) > MOST_EFFECTS:
        orders = orders[:2]
    main = table([(levels, {}) for order in orders for levels in order])
    within = [
        effect for number in range(1, len(grid.axes)) for effect in table(list(_conditions(grid, number)))
    ]  # a table for each number of fixed axes
    return Effects(grid, tuple(main), tuple(within), tuple(incomplete))


def contrast(grid: Grid, values: NDArray[np.float64], levels: Levels, within: Levels) -> NDArray[np.float64]:
    """Return an effect for each seed: differences along the axes of ``levels``, means along the others.

    Args:
        grid: the arms.
        values: a number for each arm and seed, NaN where there is none, [seeds, levels of each axis].
        levels: the levels whose effect is taken.
        within: levels of other axes to which the arms are limited.

    Returns:
        An array [seeds], NaN where a number that the effect needs is missing.
    """
    for axis, names in reversed(list(grid.axes.items())):  # the last dimension first
        if axis in levels:
            values = values[..., names.index(levels[axis])] - values[..., 0]
        else:
            values = values[..., names.index(within[axis])] if axis in within else values.mean(axis=-1)
    return values


def _first(arms: Mapping[str, Levels]) -> Levels:
    return next(iter(arms.values()), {})


def _conditions(grid: Grid, number: int) -> Iterator[tuple[Levels, Levels]]:
    """Yield each level of each axis within the levels of ``number`` other axes."""
    for levels in grid.changes(1):
        for axes in itertools.combinations([axis for axis in grid.axes if axis not in levels], number):
            for fixed in itertools.product(*(grid.axes[axis] for axis in axes)):
                yield levels, dict(zip(axes, fixed, strict=True))


def _values(group: Group, grid: Grid, quantity: Quantity, seeds: Sequence[int]) -> NDArray[np.float64]:
    """Return the quantity of each seed and arm, [seeds, levels of each axis], NaN where it is missing."""
    found = [{run.seed: value_of(run, quantity) for run in group.arms[str(arm)].runs} for arm in grid.arms.flat]
    by_seed = [[np.nan if (value := runs.get(seed)) is None else value for runs in found] for seed in seeds]
    return np.array(by_seed, dtype=np.float64).reshape(len(seeds), *grid.arms.shape)


def _is_incomplete(grid: Grid, arm: str, values: Mapping[str, NDArray[np.float64]]) -> bool:
    return any(not np.isfinite(each[:, grid.arms == arm]).all() for each in values.values())


def _estimate(
    grid: Grid,
    quantity: Quantity,
    seeds: Sequence[int],
    values: NDArray[np.float64],
    relative: bool,
    levels: Levels,
    within: Levels,
) -> Comparison:
    values = np.log(values) if relative else values
    differences = contrast(grid, values, levels, within)  # [seeds]
    known = np.isfinite(differences)
    if not known.any():
        return Comparison(quantity, (), relative)
    counted = [seed for seed, is_known in zip(seeds, known, strict=True) if is_known]
    return estimate(quantity, counted, differences[known], float(np.nanmax(np.abs(values))), relative)
