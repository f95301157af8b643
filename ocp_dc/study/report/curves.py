"""Learning curves of all arms on a model and data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ocp_dc.evaluation.plots import COLOURS, LINES, log_scale
from ocp_dc.study.record import Quantity, RunRecord, StudyResults
from ocp_dc.study.report.display import Shown, shown_in
from ocp_dc.study.report.groups import Arm, Group
from ocp_dc.study.report.plots import label, legend, new_figure, plain, primary

LOSSES = ("train_loss", "loss")  # columns that hold the training loss, the first that there is
IN_A_ROW = 3  # panels
DECADES = 1e8  # what a logarithmic axis spans at most: a loss that vanishes would press the others flat
MOST_BANDS = 6  # with more arms bands hide the lines


def curves_figure(results: StudyResults, group: Group) -> Figure | None:
    """Draw the primary curves and the training loss against the study's x; None where no run has any.

    A line is the mean of the seeds that are done, a band reaches from the lowest to the highest of them. A run that
    diverged, failed or is unfinished is a thin line of its own, which ends in a cross where it diverged; where that is
    far above the runs that are done, the line leaves the panel, with the cross at its edge. The y axis is logarithmic
    where no value is below zero.
    """
    runs = [run for arm in group.arms.values() for run in arm.runs]
    panels = [q for q in _panels(results) if any(_has_curve(run, results.x, q) for run in runs)]
    if not panels:
        return None
    rows, columns = -(-len(panels) // IN_A_ROW), min(len(panels), IN_A_ROW)
    figure = new_figure((4.6 * columns + 0.4, 3.5 * rows + 0.4), len(group.arms), group.title)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    x_label = next((curve.label for curve in results.curves if curve.key == results.x), results.x)
    for ax, quantity in zip(axes, panels, strict=False):
        shown = shown_in(quantity, results.records)
        ceiling = _ceiling(runs, quantity) / shown.size
        for arm, style in _styles(group):
            _means(ax, results.x, arm, (quantity, shown), style, band=len(group.arms) <= MOST_BANDS)
            _single_runs(ax, results.x, arm, (quantity, shown), style, ceiling)
        values = np.concatenate([run.curves[quantity.key] for run in runs if _has_curve(run, results.x, quantity)])
        if np.nanmin(values) >= 0 and np.nanmax(values) > 0:
            log_scale(ax)
            ax.set_ylim(bottom=max(ax.get_ylim()[0], np.nanmax(values) / shown.size / DECADES))
        if ax.get_ylim()[1] > ceiling:
            ax.set_ylim(top=ceiling)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel=x_label, ylabel=label(quantity, shown))
        ax.grid(alpha=0.3, linewidth=0.6)
    said = "line: mean of the seeds" + ", band: lowest to highest" * (len(group.arms) <= MOST_BANDS)
    handles = [Line2D([], [], label=plain(arm.name), **style) for arm, style in _styles(group)]
    legend(figure, handles, f"{said}; thin: runs that are not done, × diverged")
    return figure


def _panels(results: StudyResults) -> list[Quantity]:
    keys = {q.key for q in primary(results)}
    drawn = [curve for curve in results.curves if curve.primary or curve.key in keys]
    loss = [curve for key in LOSSES for curve in results.curves if curve.key == key and curve not in drawn]
    return drawn + loss[:1]


def _has_curve(run: RunRecord, x: str, quantity: Quantity) -> bool:
    return bool(np.isfinite(run.curves.get(quantity.key, [])).any()) and x in run.curves


def _styles(group: Group) -> list[tuple[Arm, dict[str, Any]]]:
    n = len(COLOURS)
    return [
        (arm, {"color": COLOURS[i % n], "linestyle": LINES[i // n % len(LINES)]})
        for i, arm in enumerate(group.arms.values())
    ]


def _ceiling(runs: Sequence[RunRecord], quantity: Quantity) -> float:
    """Return the end of an axis that shows all runs that are done, and does not follow the others off into infinity."""
    columns = [run.curves[quantity.key] for run in runs if run.status == "done" and quantity.key in run.curves]
    values = np.concatenate([np.asarray(column, dtype=float) for column in columns]) if columns else np.empty(0)
    largest = values[np.isfinite(values)].max(initial=0.0)
    return 3 * float(largest) if largest > 0 else np.inf


def _means(ax: Axes, x_key: str, arm: Arm, what: tuple[Quantity, Shown], style: dict[str, Any], band: bool) -> None:
    quantity, shown = what
    done = [run for run in arm.with_status("done") if _has_curve(run, x_key, quantity)]
    x, values = _shared(done, x_key, quantity)
    if not len(x):
        return
    values = values / shown.size
    ax.plot(x, values.mean(axis=0), linewidth=1.6, marker="o" if len(x) <= 3 else None, markersize=3, **style)
    if band and len(done) > 1:
        ax.fill_between(x, values.min(axis=0), values.max(axis=0), color=style["color"], alpha=0.15, lw=0)


def _single_runs(
    ax: Axes, x_key: str, arm: Arm, what: tuple[Quantity, Shown], style: dict[str, Any], ceiling: float
) -> None:
    quantity, shown = what
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


def _shared(runs: Sequence[RunRecord], x_key: str, quantity: Quantity) -> tuple[np.ndarray, np.ndarray]:
    """Return the (N,) x that all runs have, and their (runs, N) values there; nothing without runs."""
    curves = [dict(zip(run.curves[x_key].tolist(), run.curves[quantity.key].tolist(), strict=True)) for run in runs]
    x = sorted(set(curves[0]).intersection(*curves)) if curves else []
    return np.array(x), np.array([[curve[at] for at in x] for curve in curves])
