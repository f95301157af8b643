"""A picture of the calibration of an ensemble: error against spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ocp_dc.evaluation.calibration import Pairs, bins, energy_pairs, force_pairs
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.plotting.axes import add_grid, log_scale
from ocp_dc.plotting.figures import new_figure, panel_grid
from ocp_dc.plotting.parity import MANY_POINTS, draw_nothing
from ocp_dc.plotting.style import COLORS


def calibration_figure(predictions: Predictions, numbers: Mapping[str, Any], title: str = "") -> Figure:
    """Draw absolute errors against the spread, with their root mean squares in bins of equal counts.

    The bins of a calibrated ensemble are on the dashed line, where error and spread are equal.

    Args:
        predictions: predictions of an ensemble, with labels.
        numbers: the result of :func:`ocp_dc.evaluation.calibration.calibration`.
        title: the line above the panels.
    """
    panels = {
        "energy": (energy_pairs, "energy", "eV", "a structure"),
        "forces": (force_pairs, "force", "eV/Å", "a free atom"),
    }
    figure = new_figure((5.2 * len(numbers), 4.9), title)
    for ax, name in zip(panel_grid(figure, len(numbers), 2), numbers, strict=True):
        pairs, what, unit, counted = panels[name]
        ax.set(xlabel=f"spread of the {what} of {counted} [{unit}]", ylabel=f"error of the {what} [{unit}]")
        _draw(ax, pairs(predictions), numbers[name])
    return figure


def _draw(ax: Axes, pairs: Pairs, numbers: Mapping[str, float]) -> None:
    shown = (pairs.spread > 0) & (pairs.error > 0)  # on logarithmic axes
    if not shown.any():
        draw_nothing(ax, "no errors and spreads above 0")
        return
    spread, error = pairs.spread[shown], pairs.error[shown]
    if len(spread) < MANY_POINTS:
        ax.scatter(spread, error, s=7, alpha=0.35, color=COLORS[0], linewidths=0)
    else:
        ax.hexbin(spread, error, gridsize=60, xscale="log", yscale="log", bins="log", mincnt=1, cmap="viridis", lw=0.2)
    binned = bins(pairs)
    ax.plot(binned.spread, binned.error, "o-", color=COLORS[1], markersize=4, linewidth=1.2, label="RMSE of a bin")
    ends = np.array([spread.min(), max(spread.max(), 1.01 * spread.min())])
    ax.plot(ends, ends, color="0.35", linewidth=0.8, linestyle="--", label="error = spread")
    log_scale(ax, "x")
    log_scale(ax, "y")
    add_grid(ax)
    note = f"rank correlation {numbers['spearman']:.2f}\nRMSE / RMS spread {numbers['rmse_over_spread']:.2f}"
    ax.legend(title=note, loc="lower right", fontsize="small", title_fontsize="small")
