"""Two figures of final errors, of each seed and of energy against forces, and what all figures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ocp_dc.evaluation.plots import COLOURS, DPI, log_scale
from ocp_dc.study.record import Quantity, StudyResults
from ocp_dc.study.report.display import Shown, shown_in
from ocp_dc.study.report.groups import Arm, Group

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
LEGEND_COLUMNS = 4


def errors_figure(results: StudyResults, group: Group) -> Figure:
    """Draw each primary quantity of each seed as a dot, a row for each arm, with the means and what is missing."""
    quantities = primary(results)
    figure = new_figure((4.6 * len(quantities) + 1.2, 1.4 + 0.42 * len(group.arms)), 0, group.title)
    axes = figure.subplots(1, len(quantities), squeeze=False, sharey=True)[0]
    for ax, quantity in zip(axes, quantities, strict=True):
        shown = shown_in(quantity, results.records)
        for row, arm in enumerate(group.arms.values()):
            _dots(ax, row, arm, quantity, shown)
        reference = group.arms.get(group.baseline)
        if reference and np.isfinite(mean := reference.mean(quantity) / shown.size):
            ax.axvline(mean, color="0.5", linewidth=0.9, linestyle="--", zorder=1)
        _maybe_log(ax, "x", [v for arm in group.arms.values() for v in arm.values(quantity)])
        ax.set(xlabel=label(quantity, shown), ylim=(len(group.arms) - 0.5, -0.5))
        ax.set_yticks(range(len(group.arms)), [_row_label(arm) for arm in group.arms.values()])
        ax.grid(alpha=0.3, linewidth=0.6)
    figure.supxlabel("dots: seeds, bar: their mean, dashed: the baseline's mean", fontsize="small")
    return figure


def tradeoff_figure(results: StudyResults, group: Group) -> Figure | None:
    """Draw the first primary quantity against the second, a marker for each arm; None where there are not two."""
    quantities = primary(results)[:2]
    arms = [arm for arm in group.arms.values() if all(arm.values(q) for q in quantities)]
    if len(quantities) < 2 or not arms:
        return None
    figure = new_figure((8.2, 4.8), 0, group.title)
    ax = figure.subplots()
    shown = [shown_in(q, results.records) for q in quantities]
    handles = []
    for i, arm in enumerate(group.arms.values()):
        if arm not in arms:
            continue
        points = [np.array(arm.values(q)) / s.size for q, s in zip(quantities, shown, strict=True)]
        x, y = (values.mean() for values in points)
        dx, dy = (values.std(ddof=1) if len(values) > 1 else 0.0 for values in points)
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        ax.errorbar(x, y, xerr=dx, yerr=dy, color=colour, linewidth=1, zorder=2)
        style: dict[str, Any] = {
            "color": colour,
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
        handles.append(Line2D([], [], label=plain(arm.name) + some, **style))
    _maybe_log(ax, "x", [v for arm in arms for v in arm.values(quantities[0])])
    _maybe_log(ax, "y", [v for arm in arms for v in arm.values(quantities[1])])
    ax.set(xlabel=label(quantities[0], shown[0]), ylabel=label(quantities[1], shown[1]))
    ax.grid(alpha=0.3, linewidth=0.6)
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
    figure.supxlabel("mean of the seeds that finished, bars: their standard deviation", fontsize="small")
    return figure


def primary(results: StudyResults) -> list[Quantity]:
    """Return the quantities that the verdict is about."""
    return [q for q in results.quantities if q.primary]


def _dots(ax: Axes, row: int, arm: Arm, quantity: Quantity, shown: Shown) -> None:
    values = np.array(arm.values(quantity)) / shown.size
    colour = COLOURS[row % len(COLOURS)]
    offsets = np.linspace(-0.14, 0.14, len(values)) if len(values) > 1 else np.zeros(len(values))
    ax.scatter(values, row + offsets, s=22, color=colour, alpha=0.75, linewidths=0, zorder=2)
    if len(values):
        ax.plot([values.mean()] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=2.2, zorder=3)


def _row_label(arm: Arm) -> str:
    """Return the arm's name, above what became of the seeds that have no dot."""
    counts = [(status, len(arm.with_status(status))) for status in ("diverged", "failed", "unfinished")]
    return "\n".join([plain(arm.name), ", ".join(f"{count} {status}" for status, count in counts if count)]).rstrip()


def _maybe_log(ax: Axes, axis: Literal["x", "y"], values: Sequence[float]) -> None:
    if values and min(values) > 0 and max(values) > 5 * min(values):
        log_scale(ax, axis)


def label(quantity: Quantity, shown: Shown) -> str:
    """Return an axis' label with its unit."""
    return f"{quantity.label} [{shown.unit}]" if shown.unit else quantity.label


def plain(name: str, longest: int = 32) -> str:
    """Return a user's name as matplotlib shows it as it is: no formulas, no labels that hide, no endless ones."""
    name = name if len(name) <= longest else f"{name[: longest - 1]}…"
    return f" {name}".replace("$", r"\$") if name.startswith("_") else name.replace("$", r"\$")


def new_figure(size: tuple[float, float], in_legend: int, title: str) -> Figure:
    """Return a figure with its own canvas, as in :mod:`ocp_dc.evaluation.plots`, and with room for its legend."""
    rows = -(-in_legend // LEGEND_COLUMNS)
    figure = Figure(figsize=(size[0], size[1] + 0.25 * rows), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(plain(title, 80))
    return figure


def legend(figure: Figure, handles: Sequence[Line2D], said: str) -> None:
    """Put a legend below the panels, for which :func:`new_figure` has left room."""
    rows = -(-len(handles) // LEGEND_COLUMNS)
    columns = -(-len(handles) // rows)
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, title=said, title_fontsize="small"
    )
