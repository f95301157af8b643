"""A picture of structures with the errors of their forces as arrows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from ocp_dc.data.frames import Frame
from ocp_dc.evaluation.breakdown import symbol
from ocp_dc.plotting.figures import legend_below, new_figure, panel_grid
from ocp_dc.plotting.style import COLORS, literal_text

COLUMNS = 3
LONGEST_ARROW = 1.6  # Å
RADIUS = 0.55  # of an atom, relative to its covalent radius
PALE = 0.35  # of the color of a fixed atom, in white
BOND = 1.2  # longest, relative to the sum of the covalent radii


class Drawn(NamedTuple):
    """A structure of the gallery.

    Args:
        frame: the structure.
        errors: ``[N, 3]`` predicted minus true forces, eV/Å.
        title: the lines above it.
    """

    frame: Frame
    errors: np.ndarray
    title: str


def gallery(structures: Sequence[Drawn]) -> Figure:
    """Draw structures from the side where they are widest, or along y if they are periodic.

    Arrows are force errors, on one scale for all structures; fixed atoms are pale and have none.
    """
    columns = min(COLUMNS, len(structures))
    rows = -(-len(structures) // columns)
    numbers = sorted({int(number) for each in structures for number in each.frame.numbers})
    figure = new_figure((3.4 * columns, 3.6 * rows), legend_entries=len(numbers))
    lengths = [np.linalg.norm(each.errors[each.frame.fixed == 0], axis=1) for each in structures]
    longest = max((float(found[np.isfinite(found)].max(initial=0.0)) for found in lengths), default=0.0)
    for ax, each in zip(panel_grid(figure, len(structures), columns), structures, strict=True):
        _draw(ax, each, LONGEST_ARROW / longest if longest > 0 else 0.0)
    handles = [
        Line2D(
            *([], []),
            marker="o",
            linestyle="none",
            markersize=8,
            markerfacecolor=jmol_colors[number],
            markeredgecolor="0.3",
            label=symbol(number),
        )
        for number in numbers
    ]
    legend_below(figure, handles, f"arrows: predicted − true force; the longest is {longest:.3g} eV/Å")
    return figure


def view(frame: Frame) -> np.ndarray:
    """Return the axes of the picture as columns ``[3, 3]``: to the right, upwards, and to the viewer."""
    if frame.pbc.any():
        return np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # x, z, -y
    _, _, axes = np.linalg.svd(frame.positions - frame.positions.mean(axis=0))
    return np.asarray(axes.T)  # by extent, so that the structure is thinnest along the line of sight


def _draw(ax: Axes, drawn: Drawn, scale: float) -> None:
    frame, axes = drawn.frame, view(drawn.frame)
    points, errors = frame.positions @ axes, np.nan_to_num(drawn.errors, posinf=0.0, neginf=0.0) @ axes  # [N, 3] each
    free = frame.fixed == 0
    radii = covalent_radii[frame.numbers]
    _draw_cell(ax, frame, axes)
    _draw_bonds(ax, points, radii)
    depth = points[:, 2]
    for atom in np.argsort(depth, kind="stable"):
        color = jmol_colors[frame.numbers[atom]]
        ax.add_patch(
            Circle(
                (points[atom, 0], points[atom, 1]),
                RADIUS * radii[atom],
                facecolor=color if free[atom] else 1 - PALE * (1 - color),
                edgecolor="0.3" if free[atom] else "0.7",
                linewidth=0.7,
                zorder=2,
            )
        )
    arrows = scale * errors[free]
    style: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.012, "zorder": 3}
    ax.quiver(points[free, 0], points[free, 1], arrows[:, 0], arrows[:, 1], color=COLORS[1], **style)
    ends = np.concatenate([points[:, :2], points[free, :2] + arrows[:, :2]])
    margin = RADIUS * radii.max() + 0.3
    low, high = ends.min(axis=0) - margin, ends.max(axis=0) + margin
    half = 0.5 * max((high - low).max(), 4.0)
    middle = 0.5 * (low + high)
    ax.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), aspect="equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_color("0.8")
    ax.set_title(literal_text(drawn.title), fontsize=9)


def _draw_bonds(ax: Axes, points: np.ndarray, radii: np.ndarray) -> None:
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)  # [N, N]
    near = np.triu(distances < BOND * (radii[:, None] + radii[None]), 1)
    lines = [points[[i, j], :2] for i, j in zip(*np.nonzero(near), strict=True)]
    ax.add_collection(LineCollection(lines, colors="0.55", linewidths=2.2, zorder=1))


def _draw_cell(ax: Axes, frame: Frame, axes: np.ndarray) -> None:
    """Draw the edges of the parallelepiped of a periodic structure."""
    if not frame.pbc.any():
        return
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    places = corners @ frame.cell @ axes
    lines = [
        places[[a, b], :2]
        for a in range(8)
        for b in range(a + 1, 8)
        if np.abs(corners[a] - corners[b]).sum() == 1  # they differ in one direction
    ]
    ax.add_collection(LineCollection(lines, colors="0.75", linewidths=0.7, zorder=0))
