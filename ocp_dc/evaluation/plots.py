"""Parity plots of predictions, and learning curves of training runs, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ocp_dc.core.errors import UserError
from ocp_dc.core.units import energy_in_ev
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.plotting.axes import add_grid, log_scale
from ocp_dc.plotting.curves import draw_mean, shared_points
from ocp_dc.plotting.figures import legend_below, new_figure, save_figure
from ocp_dc.plotting.parity import LARGE, draw_nothing, draw_parity, padded_limits
from ocp_dc.plotting.style import line_style, literal_text
from ocp_dc.training.validation_log import TrainingLog, read_training_log

MOST_MARKERS = 15  # longer curves have no markers


def parity_plot(predictions: Predictions, path: str | Path, title: str = "") -> None:
    """Write a PNG of predicted against true energies and forces (see :func:`parity_figure`)."""
    save_figure(parity_figure(predictions, title), path)


def parity_figure(predictions: Predictions, title: str = "") -> Figure:
    """Draw predicted against true energies, and the same for the force components of free atoms.

    The mean of the true energies is subtracted from both, so that the axis shows their differences. Points that are not
    finite cannot be drawn: the panel says how many there are.
    """
    figure = new_figure((10.4, 4.9), title, layout="compressed")
    left, right = figure.subplots(1, 2)
    mean = predictions.energy_true.mean()
    energies = (predictions.energy_true - mean, predictions.energy_pred - mean)  # [B] each
    _panel(figure, left, *energies, "energy − mean", "eV", "structures")
    free = predictions.free
    forces = (predictions.forces_true[free].ravel(), predictions.forces_pred[free].ravel())  # [3 * N_free] each
    _panel(figure, right, *forces, "force component", "eV/Å", "components of free atoms")
    return figure


def learning_curves(runs: Mapping[str, Path | Sequence[Path]], path: str | Path, title: str = "") -> None:
    """Write a PNG of validation errors against epochs (see :func:`learning_curves_figure`).

    Args:
        runs: for each name of a run its validation CSV file, or those of its seeds.
        path: the PNG file.
        title: the line above the panels.

    Raises:
        UserError: there are no runs, a file cannot be read, or the seeds of a run share no epoch.
    """
    logs = {}
    for name, files in runs.items():
        files = [files] if isinstance(files, str | Path) else files
        logs[name] = [read_training_log(file) for file in files]
    save_figure(learning_curves_figure(logs, title), path)


def learning_curves_figure(runs: Mapping[str, Sequence[TrainingLog]], title: str = "") -> Figure:
    """Draw the energy and force MAE of each run; for several seeds, their mean and a band from lowest to highest."""
    if not runs:
        raise UserError("got no runs to draw, expected at least one")
    figure = new_figure((9.6, 4.2), title, legend_entries=len(runs))
    axes = figure.subplots(1, 2)
    handles: list[Line2D] = []
    for i, (name, logs) in enumerate(runs.items()):
        if not logs:
            raise UserError(f"run {name!r}: got no files, expected the validation file of at least one seed")
        columns = ([(log.epoch, log.energy_mae) for log in logs], [(log.epoch, log.forces_mae) for log in logs])
        for ax, curves in zip(axes, columns, strict=True):
            epochs, errors = shared_points(curves)  # [N] and [seeds, N]
            if not len(epochs):
                raise UserError(f"run {name!r}: got seeds that share no epoch, expected files of runs of one length")
            label = literal_text(name)
            line = draw_mean(ax, epochs, errors, line_style(i), label=label, most_markers=MOST_MARKERS)
        handles.append(line)
    for ax, label in zip(axes, ("energy MAE per structure [eV]", "force MAE per component [eV/Å]"), strict=True):
        log_scale(ax)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="epoch", ylabel=f"validation {label}")
        add_grid(ax)
    several = any(len(logs) > 1 for logs in runs.values())
    legend_below(figure, handles, "line: mean of the seeds, band: lowest to highest" if several else None)
    return figure


def _panel(figure: Figure, ax: Axes, true: np.ndarray, pred: np.ndarray, name: str, unit: str, counted: str) -> None:
    ax.set(xlabel=f"true {name} [{unit}]", ylabel=f"predicted {name} [{unit}]")
    if len(true) and np.isnan(true).all():
        draw_nothing(ax, "no labels")
        return
    finite = np.isfinite(pred)
    if not finite.any():
        draw_nothing(ax, "no finite predictions" if len(pred) else f"no {counted}")
        return
    left_out = len(pred) - int(finite.sum())
    true, pred = true[finite], pred[finite]
    note = _summary(true, pred, unit, counted, left_out)
    density = draw_parity(ax, true, pred, padded_limits(LARGE, true, pred), note, LARGE)
    if density is not None:
        figure.colorbar(density, ax=ax, label=f"{counted} per cell", pad=0.02, aspect=30)


def _summary(true: np.ndarray, pred: np.ndarray, unit: str, counted: str, left_out: int) -> str:
    mae = np.abs(pred - true).mean()
    kcal = mae / energy_in_ev("kcal/mol")
    lines = [f"MAE {mae:.3g} {unit}", f"= {kcal:.3g} {unit.replace('eV', 'kcal/mol')}", f"{counted}: {len(true):,}"]
    if left_out:
        lines.append(f"not finite, left out: {left_out:,}")
    return "\n".join(lines)
