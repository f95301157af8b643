"""Figures of final errors: of each seed, and of the first primary quantity against the second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ocp_dc.plotting.axes import add_grid, log_scale
from ocp_dc.plotting.figures import new_figure
from ocp_dc.plotting.style import COLORS, literal_text, shortened
from ocp_dc.study.record import Quantity, StudyResults
from ocp_dc.study.report.display import DisplayUnit, display_unit
from ocp_dc.study.report.groups import ArmResults, Group

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
LONGEST_NAME = 32  # characters of an arm
LONGEST_TITLE = 80


def errors_figure(results: StudyResults, group: Group) -> Figure:
    """Draw each primary quantity: a row for each arm, a dot for each seed, means, and numbers of missing seeds."""
    quantities = primary_quantities(results)
    figure = figure_of(group, (4.6 * len(quantities) + 1.2, 1.4 + 0.42 * len(group.arms)))
    axes = figure.subplots(1, len(quantities), squeeze=False, sharey=True)[0]
    for ax, quantity in zip(axes, quantities, strict=True):
        shown = display_unit(quantity, results.records)
        for row, arm in enumerate(group.arms.values()):
            _dots(ax, row, arm, quantity, shown)
        reference = group.arms.get(group.baseline)
        if reference and np.isfinite(mean := reference.mean(quantity) / shown.size):
            ax.axvline(mean, color="0.5", linewidth=0.9, linestyle="--", zorder=1)
        _maybe_log(ax, "x", [v for arm in group.arms.values() for v in arm.values(quantity)])
        ax.set(xlabel=axis_label(quantity, shown), ylim=(len(group.arms) - 0.5, -0.5))
        ax.set_yticks(range(len(group.arms)), [_row_label(arm) for arm in group.arms.values()])
        add_grid(ax)
    figure.supxlabel("dots: seeds, bar: their mean, dashed: the baseline's mean", fontsize="small")
    return figure


def tradeoff_figure(results: StudyResults, group: Group) -> Figure | None:
    """Draw the first primary quantity against the second, a marker for each arm; return None if there are not two."""
    quantities = primary_quantities(results)[:2]
    arms = [arm for arm in group.arms.values() if all(arm.values(q) for q in quantities)]
    if len(quantities) < 2 or not arms:
        return None
    figure = figure_of(group, (8.2, 4.8))
    ax = figure.subplots()
    shown = [display_unit(q, results.records) for q in quantities]
    handles = []
    for i, arm in enumerate(group.arms.values()):
        if arm not in arms:
            continue
        points = [np.array(arm.values(q)) / s.size for q, s in zip(quantities, shown, strict=True)]
        x, y = (values.mean() for values in points)
        dx, dy = (values.std(ddof=1) if len(values) > 1 else 0.0 for values in points)
        color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
        ax.errorbar(x, y, xerr=dx, yerr=dy, color=color, linewidth=1, zorder=2)
        style: dict[str, Any] = {
            "color": color,
            "marker": marker,
            "markersize": 8,
            "markeredgecolor": "white",
            "linestyle": "none",
        }
        ax.plot([x], [y], zorder=3, **style)
        some = (
            f" ({len(arm.with_status('done'))} of {len(arm.runs)})"
            if len(arm.with_status("done")) < len(arm.runs)
            else ""
        )
        handles.append(Line2D([], [], label=literal_text(arm.name, LONGEST_NAME) + some, **style))
    _maybe_log(ax, "x", [v for arm in arms for v in arm.values(quantities[0])])
    _maybe_log(ax, "y", [v for arm in arms for v in arm.values(quantities[1])])
    ax.set(xlabel=axis_label(quantities[0], shown[0]), ylabel=axis_label(quantities[1], shown[1]))
    add_grid(ax)
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
    figure.supxlabel("mean of the seeds that finished, bars: their standard deviation", fontsize="small")
    return figure


def primary_quantities(results: StudyResults) -> list[Quantity]:
    """Return the quantities of the verdict."""
    return [q for q in results.quantities if q.primary]


def _dots(ax: Axes, row: int, arm: ArmResults, quantity: Quantity, shown: DisplayUnit) -> None:
    values = np.array(arm.values(quantity)) / shown.size
    color = COLORS[row % len(COLORS)]
    offsets = np.linspace(-0.14, 0.14, len(values)) if len(values) > 1 else np.zeros(len(values))
    ax.scatter(values, row + offsets, s=22, color=color, alpha=0.75, linewidths=0, zorder=2)
    if len(values):
        ax.plot([values.mean()] * 2, [row - 0.3, row + 0.3], color=color, linewidth=2.2, zorder=3)


def _row_label(arm: ArmResults) -> str:
    """Return the arm's name, above the numbers of seeds without a dot, by status."""
    counts = [(status, len(arm.with_status(status))) for status in ("diverged", "failed", "unfinished")]
    return "\n".join(
        [literal_text(arm.name, LONGEST_NAME), ", ".join(f"{count} {status}" for status, count in counts if count)]
    ).rstrip()


def _maybe_log(ax: Axes, axis: Literal["x", "y"], values: Sequence[float]) -> None:
    if values and min(values) > 0 and max(values) > 5 * min(values):
        log_scale(ax, axis)


def axis_label(quantity: Quantity, shown: DisplayUnit) -> str:
    """Return an axis' label with its unit."""
    return f"{quantity.label} [{shown.unit}]" if shown.unit else quantity.label


def figure_of(group: Group, size: tuple[float, float], legend_entries: int = 0) -> Figure:
    """Return a figure with the title of a group; see :func:`ocp_dc.plotting.figures.new_figure`."""
    return new_figure(size, shortened(group.title, LONGEST_TITLE), legend_entries=legend_entries)
