"""The learning curves of a run as a picture beside it, which is drawn again while the run goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ocp_dc.training.listeners import Listener, Metrics
from ocp_dc.training.state import TrainingState
from ocp_dc.training.validation_log import EPOCH, read_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILE = "learning_curves.png"
SECONDS = 10.0  # between two pictures, at least
SHARE = 50  # the time between two pictures, at least, relative to that of drawing one
RATE = "learning rate"
MOST_MARKERS = 15  # longer curves have no markers
ERRORS = {"energy_mae": "energy MAE [eV]", "forces_mae": "force MAE [eV/Å]"}


class LiveCurves(Listener):
    """Draw the learning curves of a run after validations, at most every ten seconds, and at the end.

    A picture that cannot be drawn costs a warning, and never the run.

    Args:
        validation: validation.csv of the run; the picture is written beside it. None of several ranks but the first
            has this listener.
    """

    def __init__(self, validation: Path) -> None:
        self._validation = validation
        self._next = 0.0
        self._warned = False

    def start(self, state: TrainingState) -> None:
        """Wait before the first picture, so that a short run imports matplotlib at its end."""
        self._next = time.monotonic() + SECONDS

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Draw the curves, unless the last picture is recent."""
        if metrics is not None and time.monotonic() >= self._next:
            self._draw()

    def end(self, state: TrainingState) -> None:
        """Draw the whole curves."""
        self._draw()

    def _draw(self) -> None:
        begin = time.monotonic()
        try:
            draw_run_curves(self._validation)
        except Exception as error:  # of matplotlib, of a font, of the disk
            if not self._warned:
                logging.warning(f"{self._validation.with_name(FILE)}: cannot be drawn: {error}")
            self._warned = True
        now = time.monotonic()
        self._next = now + max(SECONDS, SHARE * (now - begin))


def draw_run_curves(validation: Path) -> None:
    """Write ``learning_curves.png`` beside the validation file of a run, if it has rows.

    Raises:
        UserError: the file is not valid.
    """
    if validation.is_file() and (columns := read_columns(validation)):
        from ocp_dc.plotting.figures import save_figure  # matplotlib takes a second to import

        save_figure(run_curves_figure(columns), validation.with_name(FILE))


def run_curves_figure(columns: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """Draw the errors of the validations of a run, the loss in training and validation, and the learning rate.

    The lowest error of each curve is marked.

    Args:
        columns: values by name, as :func:`ocp_dc.training.validation_log.read_columns` returns them.
        title: the line above the panels.
    """
    from ocp_dc.plotting.figures import new_figure, panel_grid

    panels = {label: _named(columns, name) for name, label in ERRORS.items()}
    panels["loss, on scaled labels"] = _known(columns, {"training": "train_loss", "validation": "loss"})
    panels[RATE] = _known(columns, {"": "learning_rate"})
    shown = {label: curves for label, curves in panels.items() if curves}
    columns_of_panels = 2 if len(shown) > 1 else 1
    rows = -(-len(shown) // columns_of_panels)
    figure = new_figure((4.8 * columns_of_panels, 3.3 * rows), title)
    for ax, (label, curves) in zip(panel_grid(figure, len(shown), columns_of_panels), shown.items(), strict=True):
        is_error = label in ERRORS.values()
        _panel(ax, columns[EPOCH], curves, marks=is_error, logarithmic=label != RATE)
        ax.set(xlabel="epoch", ylabel=f"validation {label}" if is_error else label)
    return figure


def _named(columns: Mapping[str, np.ndarray], metric: str) -> dict[str, np.ndarray]:
    """Return the columns of a metric by data set; fairchem 2 names those of several data sets ``SET.METRIC``."""
    names = {name.rpartition(".")[0]: name for name in columns if name.rpartition(".")[2] == metric}
    return _known(columns, names)


def _known(columns: Mapping[str, np.ndarray], names: Mapping[str, str]) -> dict[str, np.ndarray]:
    return {
        label: columns[name] for label, name in names.items() if name in columns and np.isfinite(columns[name]).any()
    }


def _panel(ax: Axes, epochs: np.ndarray, curves: Mapping[str, np.ndarray], marks: bool, logarithmic: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    from ocp_dc.plotting.axes import add_grid, log_scale
    from ocp_dc.plotting.style import line_style, literal_text

    for number, (name, values) in enumerate(curves.items()):
        known = np.isfinite(values)  # a table that an earlier version began has empty cells
        marker = "o" if known.sum() <= MOST_MARKERS else None
        style = line_style(number)
        label = literal_text(name) if name else None
        ax.plot(epochs[known], values[known], marker=marker, markersize=3.5, linewidth=1.6, label=label, **style)
        if marks:
            best = int(np.nanargmin(np.where(known, values, np.nan)))
            note = f"{values[best]:.3g} at {epochs[best]:g}"
            ax.plot(epochs[best], values[best], "*", color=style["color"], markersize=11, markeredgecolor="white")
            ax.plot([], [], "*", color=style["color"], label=f"{label or 'lowest'}: {note}")
    if logarithmic and any((values > 0).any() for values in curves.values()):
        log_scale(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_grid(ax)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(fontsize="small")
