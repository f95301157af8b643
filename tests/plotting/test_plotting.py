"""Parts of all pictures: texts, styles, axes, panels, legends, parity panels and means of curves."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ocp_dc.plotting.axes import log_scale
from ocp_dc.plotting.curves import draw_mean, shared_points
from ocp_dc.plotting.figures import legend_below, new_figure, panel_grid, png_bytes, save_figure
from ocp_dc.plotting.parity import LARGE, MANY_POINTS, SMALL, draw_nothing, draw_parity, padded_limits
from ocp_dc.plotting.style import COLORS, DPI, LINES, line_style, literal_text, shortened


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the first chunk of a PNG file."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def test_texts_are_shown_as_they_are() -> None:
    assert literal_text("$x^2$") == r"\$x^2\$"
    assert literal_text("_hidden") == " _hidden"
    assert literal_text(100 * "x", 32) == 31 * "x" + "…"
    assert literal_text("$" + 40 * "x", 10) == r"\$xxxxxxxx…"
    assert (shortened("abcd", 4), shortened("abcde", 4)) == ("abcd", "abc…")


def test_styles_differ_and_repeat() -> None:
    styles = [tuple(line_style(i).values()) for i in range(len(COLORS) * len(LINES) + 1)]
    assert len(set(styles[:-1])) == len(styles) - 1
    assert styles[-1] == styles[0]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1e-3, 10, ["0.001", "0.01", "0.1", "1", "10"]), (1, 12, ["1", "2", "5", "10"]), (1, 4, ["1", "1.5", "2", "3"])],
)
@pytest.mark.parametrize("axis", ["x", "y"])
def test_ticks_of_logarithmic_axes(low: float, high: float, expected: list[str], axis: str) -> None:
    figure = new_figure((6, 6))
    ax = figure.subplots()
    points = ([low, high], [low, high])
    ax.plot(*points)
    ax.set(xlim=(low, high), ylim=(low, high))
    log_scale(ax, axis)
    figure.draw_without_rendering()
    scaled = ax.xaxis if axis == "x" else ax.yaxis
    assert scaled.get_scale() == "log"
    shown = [tick.get_text() for tick in scaled.get_ticklabels() if low <= tick.get_position()[axis == "y"] <= high]
    assert shown == expected


def test_files_and_bytes(tmp_path: Path) -> None:
    figure = new_figure((2, 1), "_$title$")
    save_figure(figure, tmp_path / "a.png")
    assert size_of((tmp_path / "a.png").read_bytes()) == size_of(png_bytes(figure)) == (2 * DPI, DPI)
    assert png_bytes(figure) == png_bytes(figure)
    assert b"matplotlib" not in png_bytes(figure)
    assert figure.get_suptitle() == r" _\$title\$"


@pytest.mark.parametrize(("entries", "rows", "columns"), [(1, 1, 1), (4, 1, 4), (5, 2, 3), (9, 3, 3)])
def test_a_legend_has_room_and_rows_of_equal_length(entries: int, rows: int, columns: int) -> None:
    figure = new_figure((4, 3), legend_entries=entries)
    assert figure.get_figheight() == pytest.approx(3 + 0.25 * rows)
    legend_below(figure, [Line2D([], [], label=str(i)) for i in range(entries)], "note")
    legend: Any
    (legend,) = figure.legends
    assert (len(legend.get_texts()), legend._ncols) == (entries, columns)
    assert legend.get_title().get_text() == "note"


def test_panels_in_rows() -> None:
    figure = Figure()
    panels = panel_grid(figure, 5, 3)
    places = [(panel.get_subplotspec().rowspan.start, panel.get_subplotspec().colspan.start) for panel in panels]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert [panel.axison for panel in figure.axes] == [True] * 5 + [False]
    assert len(panel_grid(Figure(), 2, 3)) == 2


def test_points_that_all_curves_have() -> None:
    first = (np.array([1.0, 2.0, 3.0]), np.array([8.0, 4.0, 2.0]))
    second = (np.array([3.0, 2.0, 9.0, 3.0]), np.array([7.0, 6.0, 5.0, 1.0]))  # out of order, 3 twice
    x, values = shared_points([first, second])
    assert x.tolist() == [2, 3]
    assert values.tolist() == [[4, 2], [6, 1]]
    many = np.random.default_rng(0).normal(size=50)
    x, values = shared_points([(many, -many), (many[::-1], many[::-1])])
    assert x.tolist() == sorted(many)
    assert values.tolist() == [[-at for at in x], x.tolist()]
    assert len(shared_points([])[0]) == 0
    assert len(shared_points([first, (np.array([5.0]), np.array([1.0]))])[0]) == 0


def test_mean_and_band() -> None:
    ax = Figure().subplots()
    x, values = np.array([1.0, 2.0, 3.0, 4.0]), np.array([[4.0, 2.0, 2.0, 1.0], [2.0, 2.0, 0.0, 3.0]])
    line = draw_mean(ax, x, values, line_style(1), label="a")
    assert line.get_ydata().tolist() == [3, 2, 1, 2]
    assert (line.get_color(), line.get_label(), line.get_marker()) == (COLORS[1], "a", "None")
    (band,) = ax.collections
    corners = {tuple(vertex) for vertex in band.get_paths()[0].vertices}
    assert {(1, 4), (1, 2), (3, 2), (3, 0), (4, 1), (4, 3)} <= corners
    assert draw_mean(ax, x[:3], values[:, :3], line_style(0), band=False).get_marker() == "o"
    draw_mean(ax, x, values[:1], line_style(0))
    assert len(ax.collections) == 1  # no band without its being asked for, none of one seed


@pytest.mark.parametrize("size", [LARGE, SMALL])
def test_parity(size) -> None:
    true = np.linspace(-1, 1, 11)
    limits = padded_limits(size, true, true + 0.5)
    assert limits == pytest.approx((-1 - 2.5 * size.margin, 1.5 + 2.5 * size.margin))
    assert padded_limits(size, np.ones(2)) == (0.99, 1.01)
    for bias, position in ((0, (0.04, 0.96)), (0.5, (0.96, 0.04)), (-0.5, (0.04, 0.96))):
        ax = Figure().subplots()
        assert draw_parity(ax, true, true + bias, limits, "note", size) is None
        (points,) = (c for c in ax.collections if isinstance(c, PathCollection))
        np.testing.assert_allclose(points.get_offsets(), np.stack([true, true + bias], axis=1))
        assert ax.get_xlim() == ax.get_ylim() == limits
        assert ax.get_aspect() == 1
        assert (ax.texts[0].get_text(), ax.texts[0].get_position()) == ("note", position)


def test_parity_of_many_points_and_of_none() -> None:
    true = np.linspace(-1, 1, MANY_POINTS)
    ax = Figure().subplots()
    density = draw_parity(ax, true, true, (-1.1, 1.1), "")
    assert density is not None
    assert density.get_array().sum() == MANY_POINTS
    assert draw_parity(Figure().subplots(), true[:-1], true[:-1], (-1.1, 1.1), "") is None
    draw_parity(Figure().subplots(), true[:0], true[:0], (-1.1, 1.1), "all outside")  # no warning of an empty median
    empty = Figure().subplots()
    draw_nothing(empty, "no free atoms")
    assert empty.texts[0].get_text() == "no free atoms"
