"""Axes: logarithmic ones with plain numbers, and grids."""

from __future__ import annotations

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator


def log_scale(ax: Axes, axis: Literal["x", "y"] = "y") -> None:
    """Make an axis logarithmic, labeled with plain numbers; a larger range has fewer labels per decade."""
    set_scale, limits = (ax.set_xscale, ax.get_xlim) if axis == "x" else (ax.set_yscale, ax.get_ylim)
    set_scale("log", nonpositive="mask")
    scaled = ax.xaxis if axis == "x" else ax.yaxis
    low, high = limits()
    subs = (1.0,) if high > 1000 * low else (1.0, 2.0, 5.0) if high > 6 * low else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
    scaled.set_major_locator(LogLocator(subs=subs))
    scaled.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    scaled.set_minor_formatter("")


def add_grid(ax: Axes) -> None:
    """Draw thin lines at the ticks of both axes."""
    ax.grid(alpha=0.3, linewidth=0.6)
