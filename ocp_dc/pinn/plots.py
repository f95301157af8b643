"""Plots of a training run: learning curves, and data, prediction and error at chosen times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ocp_dc.pinn.physics.solution import Solution
from ocp_dc.plotting.axes import add_grid, log_scale
from ocp_dc.plotting.figures import new_figure, panel_grid, save_figure
from ocp_dc.plotting.style import COLORS

PANELS_IN_A_ROW = 4
TITLE_SIZE = 10
NO_CURVES = ("iteration", "lr", "scale", "seconds_per_iteration")


def learning_curves(losses: Mapping[str, np.ndarray], path: Path, title: str) -> None:
    """Write a PNG with each loss term and their weighted sum over iterations, one panel each.

    Args:
        losses: columns of ``losses.csv``.
        path: the PNG file.
        title: the line above the panels.
    """
    names = [name for name in losses if name not in NO_CURVES]
    rows = -(-len(names) // PANELS_IN_A_ROW)
    size = (2.8 * min(len(names), PANELS_IN_A_ROW), 2.3 * rows + 0.4)
    figure = new_figure(size, title, title_size=TITLE_SIZE)
    for panel, name in zip(panel_grid(figure, len(names), PANELS_IN_A_ROW), names, strict=True):
        panel.plot(losses["iteration"], losses[name], color=COLORS[0], linewidth=1.2)
        panel.set_title("total, weighted" if name == "total" else name, fontsize=9)
        if (losses[name] > 0).any():
            log_scale(panel)
        add_grid(panel)
        panel.tick_params(labelsize=7)
    figure.supxlabel("iteration", fontsize=9)
    save_figure(figure, path)


def solution_images(
    solution: Solution, predicted: Mapping[str, np.ndarray], times: Sequence[float] | None, folder: Path, title: str
) -> list[Path]:
    """Write ``solution-FIELD.png`` for each field, one column per time: the data, the prediction and the error.

    Args:
        solution: the data.
        predicted: [T, X] or [T, X, Y] by field.
        times: the times to draw, rounded to the grid; None for the first, the middle and the last.
        folder: the folder for the files.
        title: the line above the panels.
    """
    grid = solution.axes["t"]
    wanted = [grid[0], grid[len(grid) // 2], grid[-1]] if times is None else times
    steps = list(dict.fromkeys(int(np.abs(grid - time).argmin()) for time in wanted))
    draw = _lines if len(solution.axes) == 2 else _maps
    paths = []
    for name, true in solution.fields.items():
        figure = draw(solution, name, true[steps], predicted[name][steps], grid[steps], title)
        paths.append(folder / f"solution-{name}.png")
        save_figure(figure, paths[-1])
    return paths


def _lines(
    solution: Solution, name: str, true: np.ndarray, predicted: np.ndarray, times: np.ndarray, title: str
) -> Figure:
    """Draw fields [T, X] as lines, and their errors below."""
    figure = new_figure((3.2 * len(times) + 0.6, 4.2), title, title_size=TITLE_SIZE)
    above, below = figure.subplots(2, len(times), squeeze=False, sharex=True, sharey="row", height_ratios=(2, 1))
    x = solution.axes["x"]
    for i, time in enumerate(times):
        above[i].plot(x, true[i], color="0.35", linewidth=1.6, label="data")
        above[i].plot(x, predicted[i], color=COLORS[1], linestyle="--", linewidth=1.4, label="prediction")
        above[i].set_title(f"t = {time:g}", fontsize=9)
        below[i].plot(x, predicted[i] - true[i], color=COLORS[0], linewidth=1.2)
        below[i].axhline(0, color="0.6", linewidth=0.6)
        below[i].set_xlabel("x")
    above[0].set_ylabel(name)
    above[0].legend(frameon=False, fontsize=8)
    below[0].set_ylabel("prediction − data", fontsize=8)
    return figure


def _maps(
    solution: Solution, name: str, true: np.ndarray, predicted: np.ndarray, times: np.ndarray, title: str
) -> Figure:
    """Draw fields [T, X, Y] as images; data and prediction share one color range, errors have another."""
    figure = new_figure((2.6 * len(times) + 1.0, 7.2), title, title_size=TITLE_SIZE)
    axes = figure.subplots(3, len(times), squeeze=False, sharex=True, sharey=True)
    x, y = solution.axes["x"], solution.axes["y"]
    low, high = float(true.min()), float(true.max())
    error = predicted - true
    reach = float(np.abs(error[np.isfinite(error)]).max(initial=0.0)) or 1.0
    rows = (
        ("data", true, {"vmin": low, "vmax": high, "cmap": "viridis"}),
        ("prediction", predicted, {"vmin": low, "vmax": high, "cmap": "viridis"}),
        ("prediction − data", error, {"vmin": -reach, "vmax": reach, "cmap": "RdBu_r"}),
    )
    for row, (label, values, style) in zip(axes, rows, strict=True):
        for panel, value in zip(row, values, strict=True):
            image = panel.imshow(value.T, origin="lower", extent=(x[0], x[-1], y[0], y[-1]), **style)
            panel.tick_params(labelsize=7)
        row[0].set_ylabel(f"{label}: {name}", fontsize=8)
        figure.colorbar(image, ax=list(row), aspect=20)
    for panel, time in zip(axes[0], times, strict=True):
        panel.set_title(f"t = {time:g}", fontsize=9)
    return figure
