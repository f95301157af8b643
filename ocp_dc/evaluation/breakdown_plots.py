"""Pictures of errors in parts: by element, by kind of structure, by the size of the force, and along a trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ocp_dc.evaluation.breakdown import (
    Row,
    Sequences,
    energy_per_atom_errors,
    errors_by_config_type,
    errors_by_element,
    errors_by_force,
    force_maes,
    sequences,
    symbol,
)
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.plotting.axes import add_grid, log_scale
from ocp_dc.plotting.figures import new_figure, panel_grid
from ocp_dc.plotting.parity import MANY_POINTS, SMALL, draw_parity, padded_limits
from ocp_dc.plotting.style import COLORS, line_style, literal_text, shortened

MOST_BARS = 30
MOST_PANELS = 6  # elements with a parity panel, those with the most atoms
MOST_LINES = 12  # more trajectories are drawn as points
MOST_MARKERS = 60  # longer curves have no markers
LONGEST_NAME = 32


def element_figure(predictions: Predictions, title: str = "") -> Figure | None:
    """Draw the force MAE of each element, and predicted against true components for those with the most atoms."""
    rows = errors_by_element(predictions)
    if not rows:
        return None
    shown = sorted(rows, key=lambda row: -row["free_atoms"])[:MOST_PANELS]
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    height = max(3.4 * lines, 1.2 + 0.26 * min(len(rows), MOST_BARS))
    figure = new_figure((3.4 + 3.2 * columns, height), title)
    left, right = np.asarray(figure.subfigures(1, 2, width_ratios=(3.4, 3.2 * columns)), dtype=object)
    _bars(left.subplots(), rows, "element", "forces_mae [eV/Å]", "free_atoms", "force MAE per component [meV/Å]")
    panels = right.subplots(lines, columns, squeeze=False).flat
    symbols = np.array([symbol(number) for number in np.asarray(predictions.numbers)[predictions.free].tolist()])
    true, pred = predictions.forces_true[predictions.free], predictions.forces_pred[predictions.free]
    for ax, row in zip(panels, shown, strict=False):
        mask = symbols == row["element"]
        _element_panel(ax, row["element"], true[mask].ravel(), pred[mask].ravel())
    for ax in right.axes[len(shown) :]:
        ax.set_axis_off()
    return figure


def config_type_figure(predictions: Predictions, title: str = "") -> Figure | None:
    """Draw the errors of energies per atom and of forces of each kind of structure, with the numbers of structures."""
    rows = errors_by_config_type(predictions)
    if not rows:
        return None
    quantities = {
        "energy_per_atom_mae [eV]": "energy MAE per atom [meV]",
        "forces_mae [eV/Å]": "force MAE per component [meV/Å]",
    }
    known = {name: label for name, label in quantities.items() if any(np.isfinite(_numbers(rows, name)))}
    if not known:
        return None
    figure = new_figure((1.8 + 4.0 * len(known), 1.4 + 0.28 * min(len(rows), MOST_BARS)), title)
    for ax, (name, label) in zip(panel_grid(figure, len(known), 2), known.items(), strict=True):
        _bars(ax, rows, "config_type", name, "n_structures", label)
    return figure


def force_figure(predictions: Predictions, title: str = "") -> Figure | None:
    """Draw the length of the error of the force of each free atom against the length of the force, and its RMS."""
    rows = errors_by_force(predictions)
    length = np.linalg.norm(predictions.forces_true[predictions.free], axis=1)
    error = np.linalg.norm(predictions.forces_error, axis=1)
    shown = (length > 0) & (error > 0) & np.isfinite(error)  # on logarithmic axes
    if not rows or not shown.any():
        return None
    figure = new_figure((9.6, 4.2), title)
    left, right = panel_grid(figure, 2, 2)
    if shown.sum() < MANY_POINTS:
        left.scatter(length[shown], error[shown], s=7, alpha=0.3, color=COLORS[0], linewidths=0)
    else:
        scales: dict[str, Any] = {"xscale": "log", "yscale": "log", "bins": "log", "mincnt": 1, "lw": 0.2}
        density = left.hexbin(length[shown], error[shown], gridsize=60, cmap="viridis", **scales)
        figure.colorbar(density, ax=left, label="free atoms per cell", pad=0.02, aspect=30)
    middle, rmse, relative = (
        _numbers(rows, name) for name in ("force_rms [eV/Å]", "error_rms [eV/Å]", "relative_error")
    )
    style: dict[str, Any] = {"color": COLORS[1], "marker": "o", "markersize": 4, "linewidth": 1.4}
    left.plot(middle, rmse, label="RMS error of a range", **style)
    ends = np.array([length[shown].min(), length[shown].max()])
    left.plot(ends, ends, color="0.35", linewidth=0.8, linestyle="--", label="error = force")
    right.plot(middle, 100 * relative, **style)
    right.axhline(100, color="0.35", linewidth=0.8, linestyle="--")
    left.set(xlim=_span(length[shown]), ylim=_span(np.concatenate([error[shown], rmse])))
    right.set(xlim=_span(middle), ylim=_span(np.append(100 * relative, 100.0)))
    for ax in (left, right):
        log_scale(ax, "x")
        log_scale(ax, "y")
        add_grid(ax)
    left.set(xlabel="length of the true force [eV/Å]", ylabel="length of the error [eV/Å]")
    right.set(xlabel="length of the true force, RMS of a range [eV/Å]", ylabel="RMS error / RMS force [%]")
    left.legend(loc="lower right", fontsize="small")
    return figure


def trajectory_figure(predictions: Predictions, title: str = "") -> Figure | None:
    """Draw the error of the energy per atom, and the force MAE, against the number of the frame."""
    found = sequences(predictions.ids)
    columns = {
        "energy error per atom [meV]": 1e3 * energy_per_atom_errors(predictions),
        "force MAE [meV/Å]": 1e3 * force_maes(predictions),
    }
    known = {label: values for label, values in columns.items() if np.isfinite(values).any()}
    if len(found.frame) < 2 or not known:
        return None
    figure = new_figure((9.6, 2.5 * len(known) + 0.4), title)
    names = np.unique(found.trajectory)
    for ax, (label, values) in zip(panel_grid(figure, len(known), 1), known.items(), strict=True):
        if len(names) > MOST_LINES:
            ax.scatter(found.frame, values, s=7, alpha=0.3, color=COLORS[0], linewidths=0)
        else:
            _lines(ax, found, names, values)
        if "energy" in label:
            ax.axhline(0, color="0.35", linewidth=0.8, linestyle="--")
        else:
            ax.set_ylim(bottom=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="frame", ylabel=label)
        add_grid(ax)
    if 1 < len(names) <= MOST_LINES:
        figure.axes[0].legend(fontsize="x-small", ncols=min(len(names), 6))
    return figure


def _lines(ax: Axes, found: Sequences, names: np.ndarray, values: np.ndarray) -> None:
    """Draw a line for each trajectory."""
    for number, name in enumerate(names.tolist()):
        part = found.order[found.trajectory[found.order] == name]
        marker = "o" if len(part) <= MOST_MARKERS else None
        style = line_style(number)
        ax.plot(
            *(found.frame[part], values[part]),
            marker=marker,
            markersize=3,
            linewidth=1,
            label=f"system {name}",
            **style,
        )


def _element_panel(ax: Axes, name: str, true: np.ndarray, pred: np.ndarray) -> None:
    ax.set_title(name, fontsize=10)
    ax.set_xlabel("true force component [eV/Å]", fontsize=8)
    ax.set_ylabel("predicted [eV/Å]", fontsize=8)
    ax.tick_params(labelsize=8)
    finite = np.isfinite(pred)
    true, pred = true[finite], pred[finite]
    if len(true):
        note = f"MAE {1e3 * np.abs(pred - true).mean():.3g} meV/Å"
        draw_parity(ax, true, pred, padded_limits(SMALL, true, pred), note, SMALL)


def _bars(ax: Axes, rows: Sequence[Row], name: str, value: str, count: str, label: str) -> None:
    """Draw a horizontal bar for each row, the largest above, with its number of atoms or structures."""
    finite = [row for row in rows if np.isfinite(row[value])]
    chosen = sorted(finite, key=lambda row: -row[value])[:MOST_BARS]
    values = 1e3 * _numbers(chosen, value)
    ax.barh(range(len(chosen)), values, color=COLORS[0], height=0.7)
    ax.set_yticks(
        range(len(chosen)), [literal_text(shortened(str(row[name]), LONGEST_NAME)) for row in chosen], fontsize=9
    )
    ax.set(xlabel=label, ylim=(len(chosen) - 0.4, -0.6), xlim=(0, 1.5 * max(values, default=0.0) or 1.0))
    for y, (row, length) in enumerate(zip(chosen, values.tolist(), strict=True)):
        ax.text(length, y, f" {length:.3g}  (n = {row[count]:,})", va="center", fontsize=8)
    ax.grid(axis="x", alpha=0.3, linewidth=0.6)
    ax.set_axisbelow(True)


def _span(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of a logarithmic axis for the values that are finite and above 0."""
    shown = values[np.isfinite(values) & (values > 0)]
    return float(shown.min()) / 1.3, float(shown.max()) * 1.3


def _numbers(rows: Sequence[Row], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], dtype=float)
