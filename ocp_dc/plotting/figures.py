"""Figures without pyplot, their panels and legends, and PNG files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ocp_dc.core.files import replacing
from ocp_dc.plotting.style import DPI, literal_text

LEGEND_COLUMNS = 4
LEGEND_ROW = 0.25  # height in inches


def new_figure(
    size: tuple[float, float],
    title: str = "",
    *,
    legend_entries: int = 0,
    title_size: float | str = "large",
    layout: Literal["constrained", "compressed"] = "constrained",
) -> Figure:
    """Return a figure with a canvas; pyplot would keep the figure alive and need a display.

    Args:
        size: width and height in inches, without the legend.
        title: the line above the panels, shown literally.
        legend_entries: entries of the legend that :func:`legend_below` will add; the figure grows by its rows.
        title_size: font size of the title.
        layout: matplotlib's layout engine.
    """
    height = size[1] + LEGEND_ROW * -(-legend_entries // LEGEND_COLUMNS)
    figure = Figure(figsize=(size[0], height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(literal_text(title), fontsize=title_size)
    return figure


def panel_grid(figure: Figure, count: int, columns: int) -> list[Axes]:
    """Return ``count`` panels in rows of at most ``columns``; the last row may have fewer."""
    panels = list(figure.subplots(-(-count // columns), min(count, columns), squeeze=False).flat)
    for panel in panels[count:]:
        panel.set_axis_off()
    return panels[:count]


def legend_below(figure: Figure, handles: Sequence[Line2D], note: str | None = None) -> None:
    """Put a legend below the panels, in rows of nearly equal length; ``note`` is the line above its entries."""
    rows = -(-len(handles) // LEGEND_COLUMNS)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=-(-len(handles) // rows),
        frameon=False,
        title=note,
        title_fontsize="small",
    )


def png_bytes(figure: Figure) -> bytes:
    """Return a figure as PNG; the same numbers give the same bytes."""
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"Software": None}  # the version of matplotlib
    figure.savefig(buffer, format="png", dpi=DPI, metadata=metadata)
    return buffer.getvalue()


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as a PNG file, atomically."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)
