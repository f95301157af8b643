"""Predicted against true energies and forces of each arm, from the saved predictions of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.evaluation.saved_predictions import load_predictions
from ocp_dc.plotting.parity import SMALL, draw_nothing, draw_parity, padded_limits
from ocp_dc.plotting.style import literal_text
from ocp_dc.study.report.groups import Group
from ocp_dc.study.report.plots import figure_of

FILE = "predictions.npz"
ARMS_IN_A_ROW = 4
LONGEST_NAME = 24


def predictions_of(folder: Path) -> Predictions | None:
    """Return the test predictions in the folder of a run, or None if there are none.

    Raises:
        UserError: the file is damaged, or is not a file of predictions.
    """
    return load_predictions(folder / FILE) if (folder / FILE).is_file() else None


def parity_figure(group: Group) -> Figure | None:
    """Draw the first seed with predictions of each arm: energies above, force components below; None without any.

    The mean of the true energies is subtracted from both. The axes span the true values, so that arms can be compared;
    predictions outside, or not finite, are counted.
    """
    found = {}
    for arm in group.arms.values():
        loaded = ((run, predictions_of(run.folder)) for run in arm.runs)
        if first := next(((run.seed, predictions) for run, predictions in loaded if predictions is not None), None):
            found[arm.name] = first
    if not found:
        return None
    bands = -(-len(found) // ARMS_IN_A_ROW)
    across = -(-len(found) // bands)
    figure = figure_of(group, (2.75 * across + 0.5, 5.4 * bands + 0.5))
    axes: list[list[Axes]] = figure.subplots(2 * bands, across, squeeze=False).tolist()
    for i, (name, (seed, predictions)) in enumerate(found.items()):
        above, below = axes[2 * (i // across)][i % across], axes[2 * (i // across) + 1][i % across]
        above.set_title(f"{literal_text(name, LONGEST_NAME)}, seed {seed}", fontsize=9)
        mean, free = predictions.energy_true.mean(), predictions.free
        _panel(above, predictions.energy_true - mean, predictions.energy_pred - mean, "energy − mean", "eV")
        forces = (predictions.forces_true[free].ravel(), predictions.forces_pred[free].ravel())  # [3 * N_free] each
        _panel(below, *forces, "force", "eV/Å")
    for ax in (ax for row in axes for ax in row):
        if not ax.has_data():
            ax.set_axis_off()
    return figure


def _panel(ax: Axes, true: np.ndarray, pred: np.ndarray, name: str, unit: str) -> None:
    ax.set_xlabel(f"true {name} [{unit}]", fontsize=8)
    ax.set_ylabel(f"predicted {name}", fontsize=8)
    ax.tick_params(labelsize=8)
    if not len(true):
        draw_nothing(ax, "no free atoms")
        return
    limits = padded_limits(SMALL, true)
    inside = np.isfinite(pred) & (pred >= limits[0]) & (pred <= limits[1])
    draw_parity(ax, true[inside], pred[inside], limits, _summary(true, pred, inside, unit), SMALL)


def _summary(true: np.ndarray, pred: np.ndarray, inside: np.ndarray, unit: str) -> str:
    finite = np.isfinite(pred)
    errors: Sequence[float] = np.abs(pred - true)[finite]
    lines = [f"MAE {1000 * np.mean(errors):.3g} m{unit}"] if len(errors) else []
    if outside := int((finite & ~inside).sum()):
        lines.append(f"outside: {outside:,}")
    if lost := int((~finite).sum()):
        lines.append(f"not finite: {lost:,}")
    return "\n".join(lines)
