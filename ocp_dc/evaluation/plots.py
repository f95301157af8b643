"""Parity plots and learning curves, as PNG files that stay readable for the colour-blind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing
from ocp_dc.core.units import energy_in_ev
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.training.validation_log import TrainingLog, read_training_log

# Okabe and Ito, "Color Universal Design" (2008), without black and the yellow that is too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINES = ("-", "--", ":", "-.")
DPI = 150
LEGEND_COLUMNS = 4
MANY_POINTS = 2000  # from here on points hide one another: show their density


def parity_plot(predictions: Predictions, path: str | Path, title: str = "") -> None:
    """Write a PNG of predicted against true energies and forces (see :func:`parity_figure`)."""
    _save(parity_figure(predictions, title), path)


def parity_figure(predictions: Predictions, title: str = "") -> Figure:
    """Draw predicted against true energies, and the same for the force components of free atoms.

    The mean of the true energies is taken from both, so that the axis shows their differences. Points that are not
    finite cannot be drawn: the panel says how many there are.
    """
    figure = _figure((10.4, 4.9), title, layout="compressed")
    left, right = figure.subplots(1, 2)
    mean = predictions.energy_true.mean()
    _parity(
        figure,
        left,
        predictions.energy_true - mean,
        predictions.energy_pred - mean,
        "energy − mean",
        "eV",
        "structures",
    )
    true, pred = (f[predictions.free].ravel() for f in (predictions.forces_true, predictions.forces_pred))  # (3F,)
    _parity(figure, right, true, pred, "force component", "eV/Å", "components of free atoms")
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
    _save(learning_curves_figure(logs, title), path)


def learning_curves_figure(runs: Mapping[str, Sequence[TrainingLog]], title: str = "") -> Figure:
    """Draw the energy and force MAE of each run; with several seeds their mean, and a band from lowest to highest."""
    if not runs:
        raise UserError("got no runs to draw, expected at least one")
    legend_rows = -(-len(runs) // LEGEND_COLUMNS)
    figure = _figure((9.6, 4.2 + 0.25 * legend_rows), title, layout="constrained")
    axes = figure.subplots(1, 2)
    for i, (name, logs) in enumerate(runs.items()):
        if not logs:
            raise UserError(f"run {name!r}: got no files, expected the validation file of at least one seed")
        epochs, energy, forces = _shared_epochs(name, logs)
        style = {"color": COLOURS[i % len(COLOURS)], "linestyle": LINES[i // len(COLOURS) % len(LINES)]}
        for ax, errors in zip(axes, (energy, forces), strict=True):
            marker = "o" if len(epochs) <= 15 else None
            ax.plot(epochs, errors.mean(axis=0), label=name, marker=marker, markersize=3.5, linewidth=1.6, **style)
            if len(logs) > 1:
                ax.fill_between(epochs, errors.min(axis=0), errors.max(axis=0), color=style["color"], alpha=0.2, lw=0)
    for ax, label in zip(axes, ("energy MAE per structure [eV]", "force MAE per component [eV/Å]"), strict=True):
        log_scale(ax)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="epoch", ylabel=f"validation {label}")
        ax.grid(alpha=0.3, linewidth=0.6)
    several = any(len(logs) > 1 for logs in runs.values())
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=min(len(runs), LEGEND_COLUMNS),
        frameon=False,
        title="line: mean of the seeds, band: lowest to highest" if several else None,
        title_fontsize="small",
    )
    return figure


def log_scale(ax: Axes, axis: Literal["x", "y"] = "y") -> None:
    """Scale an axis by its logarithm, labelled with plain numbers, and as many as the range calls for."""
    set_scale, limits = (ax.set_xscale, ax.get_xlim) if axis == "x" else (ax.set_yscale, ax.get_ylim)
    set_scale("log", nonpositive="mask")
    scaled = ax.xaxis if axis == "x" else ax.yaxis
    low, high = limits()
    subs = (1.0,) if high > 1000 * low else (1.0, 2.0, 5.0) if high > 6 * low else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
    scaled.set_major_locator(LogLocator(subs=subs))
    scaled.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    scaled.set_minor_formatter("")


def _shared_epochs(name: str, logs: Sequence[TrainingLog]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the (N,) epochs that all seeds have, and the (seeds, N) errors of energy and forces there."""
    epochs = logs[0].epoch
    for log in logs[1:]:
        epochs = np.intersect1d(epochs, log.epoch)
    if not len(epochs):
        raise UserError(f"run {name!r}: got seeds that share no epoch, expected files of runs of one length")
    rows = [np.searchsorted(log.epoch, epochs) for log in logs]
    energy = np.stack([log.energy_mae[row] for log, row in zip(logs, rows, strict=True)])
    forces = np.stack([log.forces_mae[row] for log, row in zip(logs, rows, strict=True)])
    return epochs, energy, forces


def _parity(figure: Figure, ax: Axes, true: np.ndarray, pred: np.ndarray, name: str, unit: str, counted: str) -> None:
    ax.set(xlabel=f"true {name} [{unit}]", ylabel=f"predicted {name} [{unit}]", aspect="equal")
    finite = np.isfinite(pred)
    if not finite.any():
        reason = "no finite predictions" if len(pred) else f"no {counted}"
        ax.text(0.5, 0.5, reason, ha="center", transform=ax.transAxes)
        return
    left_out = len(pred) - int(finite.sum())
    true, pred = true[finite], pred[finite]
    low, high = min(true.min(), pred.min()), max(true.max(), pred.max())
    margin = 0.05 * (high - low) if high > low else 0.01
    limits = (low - margin, high + margin)
    if len(true) < MANY_POINTS:
        ax.scatter(true, pred, s=12, alpha=0.4, color=COLOURS[0], linewidths=0)
    else:
        cells = ax.hexbin(true, pred, gridsize=90, extent=limits * 2, bins="log", mincnt=1, cmap="viridis", lw=0.2)
        figure.colorbar(cells, ax=ax, label=f"{counted} per cell", pad=0.02, aspect=30)
    ax.plot(limits, limits, color="0.35", linewidth=0.8, linestyle="--", zorder=3)
    ax.set(xlim=limits, ylim=limits)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(6))
    ax.grid(alpha=0.3, linewidth=0.6)
    # The points lie on one side of the diagonal where the model is biased: write on the other side.
    x, y, ha, va = (0.04, 0.96, "left", "top") if np.median(pred - true) <= margin else (0.96, 0.04, "right", "bottom")
    text = _summary(true, pred, unit, counted, left_out)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}
    ax.text(x, y, text, transform=ax.transAxes, ha=ha, va=va, fontsize=9, bbox=box, zorder=4)


def _summary(true: np.ndarray, pred: np.ndarray, unit: str, counted: str, left_out: int) -> str:
    mae = np.abs(pred - true).mean()
    kcal = mae / energy_in_ev("kcal/mol")
    lines = [f"MAE {mae:.3g} {unit}", f"= {kcal:.3g} {unit.replace('eV', 'kcal/mol')}", f"{counted}: {len(true):,}"]
    if left_out:
        lines.append(f"not finite, left out: {left_out:,}")
    return "\n".join(lines)


def _figure(size: tuple[float, float], title: str, layout: Literal["constrained", "compressed"]) -> Figure:
    """Return a figure with its own canvas: pyplot would keep it alive, and ask for a display."""
    figure = Figure(figsize=size, dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title)
    return figure


def _save(figure: Figure, path: str | Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)
