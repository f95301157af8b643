"""Learning curves of several seeds: their mean, and a band from the lowest to the highest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D


def shared_points(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the x ``[N]`` that all curves have, ascending, and their values ``[curves, N]``; empty without curves.

    Args:
        curves: x and values of each; the later of two values at one x counts.
    """
    tables = [dict(zip(x.tolist(), values.tolist(), strict=True)) for x, values in curves]
    x = sorted(set(tables[0]).intersection(*tables)) if tables else []
    return np.array(x), np.array([[table[at] for at in x] for table in tables])


def draw_mean(
    ax: Axes,
    x: np.ndarray,
    values: np.ndarray,
    style: Mapping[str, Any],
    *,
    label: str | None = None,
    band: bool = True,
    most_markers: int = 3,
) -> Line2D:
    """Draw the mean of several curves, and a band from the lowest to the highest; return the line.

    Args:
        ax: the panel.
        x: ``[N]``.
        values: ``[curves, N]``.
        style: color and line style; see :func:`ocp_dc.plotting.style.line_style`.
        label: the name in the legend.
        band: true to draw the band.
        most_markers: a line with more points than this has no markers.
    """
    marker = "o" if len(x) <= most_markers else None
    (line,) = ax.plot(x, values.mean(axis=0), label=label, marker=marker, markersize=3.5, linewidth=1.6, **style)
    if band and len(values) > 1:
        ax.fill_between(x, values.min(axis=0), values.max(axis=0), color=style["color"], alpha=0.2, lw=0)
    return line
