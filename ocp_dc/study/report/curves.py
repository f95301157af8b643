"""Learning curves of all arms on a model and data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ocp_dc.plotting.axes import add_grid, log_scale
from ocp_dc.plotting.curves import draw_mean, shared_points
from ocp_dc.plotting.figures import legend_below, panel_grid
from ocp_dc.plotting.style import line_style, literal_text
from ocp_dc.study.record import Quantity, RunRecord, StudyResults
from ocp_dc.study.report.display import DisplayUnit, display_unit
from ocp_dc.study.report.groups import ArmResults, Group
from ocp_dc.study.report.plots import LONGEST_NAME, axis_label, figure_of, primary_quantities

LOSSES = ("train_loss", "loss")  # columns of the training loss; the first one that exists is drawn
PANELS_PER_ROW = 3
LARGEST_RANGE = 1e8  # of a logarithmic axis; a vanishing loss would squeeze the others together
MOST_BANDS = 6  # with more arms bands hide the lines


def curves_figure(results: StudyResults, group: Group) -> Figure | None:
    """Draw the primary curves and the training loss against the study's x; return None if no run has any.

    A line is the mean of the seeds that are done, and a band reaches from the lowest to the highest of them. A run that
    diverged, failed or is unfinished is a thin line; if it diverged, the line ends in a cross. A line far above the
    runs that are done leaves the panel, and its cross is at the edge. The y axis is logarithmic if no value is below
    zero.
    """
    runs = [run for arm in group.arms.values() for run in arm.runs]
    panels = [q for q in _panels(results) if any(_has_curve(run, results.x, q) for run in runs)]
    if not panels:
        return None
    rows, columns = -(-len(panels) // PANELS_PER_ROW), min(len(panels), PANELS_PER_ROW)
    figure = figure_of(group, (4.6 * columns + 0.4, 3.5 * rows + 0.4), legend_entries=len(group.arms))
    x_label = next((curve.label for curve in results.curves if curve.key == results.x), results.x)
    for ax, quantity in zip(panel_grid(figure, len(panels), PANELS_PER_ROW), panels, strict=True):
        shown = display_unit(quantity, results.records)
        ceiling = _ceiling(runs, quantity) / shown.size
        for i, arm in enumerate(group.arms.values()):
            _means(ax, results.x, arm, (quantity, shown), line_style(i), band=len(group.arms) <= MOST_BANDS)
            _single_runs(ax, results.x, arm, (quantity, shown), line_style(i), ceiling)
        values = np.concatenate([run.curves[quantity.key] for run in runs if _has_curve(run, results.x, quantity)])
        if np.nanmin(values) >= 0 and np.nanmax(values) > 0:
            log_scale(ax)
            ax.set_ylim(bottom=max(ax.get_ylim()[0], np.nanmax(values) / shown.size / LARGEST_RANGE))
        if ax.get_ylim()[1] > ceiling:
            ax.set_ylim(top=ceiling)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel=x_label, ylabel=axis_label(quantity, shown))
        add_grid(ax)
    note = "line: mean of the seeds" + ", band: lowest to highest" * (len(group.arms) <= MOST_BANDS)
    handles = [
        Line2D([], [], label=literal_text(arm.name, LONGEST_NAME), **line_style(i))
        for i, arm in enumerate(group.arms.values())
    ]
    legend_below(figure, handles, f"{note}; thin: runs that are not done, × diverged")
    return figure


def _panels(results: StudyResults) -> list[Quantity]:
    keys = {q.key for q in primary_quantities(results)}
    drawn = [curve for curve in results.curves if curve.primary or curve.key in keys]
    loss = [curve for key in LOSSES for curve in results.curves if curve.key == key and curve not in drawn]
    return drawn + loss[:1]


def _has_curve(run: RunRecord, x: str, quantity: Quantity) -> bool:
    return bool(np.isfinite(run.curves.get(quantity.key, [])).any()) and x in run.curves


def _ceiling(runs: Sequence[RunRecord], quantity: Quantity) -> float:
    """Return the upper end of an axis that shows all runs that are done; other runs may leave it."""
    columns = [run.curves[quantity.key] for run in runs if run.status == "done" and quantity.key in run.curves]
    values = np.concatenate([np.asarray(column, dtype=float) for column in columns]) if columns else np.empty(0)
    largest = values[np.isfinite(values)].max(initial=0.0)
    return 3 * float(largest) if largest > 0 else np.inf


def _means(
    ax: Axes, x_key: str, arm: ArmResults, displayed: tuple[Quantity, DisplayUnit], style: dict[str, Any], band: bool
) -> None:
    quantity, shown = displayed
    done = [run for run in arm.with_status("done") if _has_curve(run, x_key, quantity)]
    x, values = shared_points([(run.curves[x_key], run.curves[quantity.key]) for run in done])
    if len(x):
        draw_mean(ax, x, values / shown.size, style, band=band)


def _single_runs(
    ax: Axes,
    x_key: str,
    arm: ArmResults,
    displayed: tuple[Quantity, DisplayUnit],
    style: dict[str, Any],
    ceiling: float,
) -> None:
    quantity, shown = displayed
    for run in arm.runs:
        if run.status == "done" or not _has_curve(run, x_key, quantity):
            continue
        x, values = (np.asarray(run.curves[key], dtype=float) for key in (x_key, quantity.key))
        values = values / shown.size
        ax.plot(x, values, linewidth=0.8, alpha=0.8, **style)
        if run.status == "diverged":
            last = np.flatnonzero(np.isfinite(values))[-1]
            cross = {"marker": "x", "color": style["color"], "markersize": 7, "linestyle": "none", "clip_on": False}
            ax.plot(x[last], min(values[last], ceiling), **cross)
