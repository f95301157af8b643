"""Parity panels: predicted against true values."""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.ticker import MaxNLocator

from ocp_dc.plotting.axes import add_grid
from ocp_dc.plotting.style import COLORS

MANY_POINTS = 2000  # more points would hide one another, so their density is drawn


@dataclasses.dataclass(frozen=True)
class PanelSize:
    """Sizes of the parts of a panel.

    Args:
        dot: area of a dot, in square points.
        cells: cells of the density in each direction.
        ticks: ticks of each axis, at most.
        font: size of the note.
        margin: space around the values, relative to their range.
    """

    dot: float
    cells: int
    ticks: int
    font: float
    margin: float


LARGE = PanelSize(dot=12, cells=90, ticks=6, font=9, margin=0.05)
SMALL = PanelSize(dot=7, cells=50, ticks=4, font=7.5, margin=0.08)


def padded_limits(size: PanelSize, *values: np.ndarray) -> tuple[float, float]:
    """Return the ends of an axis for these finite values, with some space around them."""
    low, high = min(float(each.min()) for each in values), max(float(each.max()) for each in values)
    margin = size.margin * (high - low) if high > low else 0.01
    return low - margin, high + margin


def draw_parity(
    ax: Axes, true: np.ndarray, pred: np.ndarray, limits: tuple[float, float], note: str, size: PanelSize = LARGE
) -> PolyCollection | None:
    """Draw predicted against true values, and the diagonal.

    Args:
        ax: the panel.
        true: ``[N]``, finite.
        pred: ``[N]``, finite.
        limits: the ends of both axes.
        note: text inside the panel.
        size: sizes of points, ticks and text.

    Returns:
        The density, for a color bar; None if each point is drawn.
    """
    density = None
    if len(true) < MANY_POINTS:
        ax.scatter(true, pred, s=size.dot, alpha=0.4, color=COLORS[0], linewidths=0)
    else:
        density = ax.hexbin(
            true, pred, gridsize=size.cells, extent=limits * 2, bins="log", mincnt=1, cmap="viridis", lw=0.2
        )
    ax.plot(limits, limits, color="0.35", linewidth=0.8, linestyle="--", zorder=3)
    ax.set(xlim=limits, ylim=limits, aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(size.ticks))
    add_grid(ax)
    # The points of a biased model are on one side of the diagonal; write on the other side.
    above = not len(true) or np.median(pred - true) <= size.margin * (limits[1] - limits[0])
    x, y, ha, va = (0.04, 0.96, "left", "top") if above else (0.96, 0.04, "right", "bottom")
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}
    ax.text(x, y, note, transform=ax.transAxes, ha=ha, va=va, fontsize=size.font, bbox=box, zorder=4)
    return density


def draw_nothing(ax: Axes, reason: str) -> None:
    """Write the reason into an empty parity panel."""
    ax.set_aspect("equal")
    ax.text(0.5, 0.5, reason, ha="center", transform=ax.transAxes)
