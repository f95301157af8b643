"""Write the results of an evaluation to a folder, and read its metrics back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import is_cut_off, read_record, write_csv, write_record
from ocp_dc.evaluation.breakdown import (
    errors_along_trajectory,
    errors_by_config_type,
    errors_by_element,
    errors_by_force,
)
from ocp_dc.evaluation.breakdown_plots import config_type_figure, element_figure, force_figure, trajectory_figure
from ocp_dc.evaluation.calibration import calibration
from ocp_dc.evaluation.calibration_plot import calibration_figure
from ocp_dc.evaluation.metrics import STRESS_UNITS, UNITS, error_metrics
from ocp_dc.evaluation.plots import parity_plot
from ocp_dc.evaluation.prediction_rows import largest_spread, prediction_rows, ranges
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.evaluation.saved_predictions import save_predictions
from ocp_dc.evaluation.worst_structures import largest_errors
from ocp_dc.plotting.figures import save_figure

FILES = (
    *("predictions.csv", "predictions.npz", "errors.csv", "largest_errors.csv", "parity.png"),
    *("largest_spread.csv", "calibration.png"),
)
# of errors in parts: the name of table and picture, and the functions that make them
PARTS = {
    "errors_by_element": (errors_by_element, element_figure),
    "errors_by_config_type": (errors_by_config_type, config_type_figure),
    "errors_by_force": (errors_by_force, force_figure),
    "errors_along_trajectory": (errors_along_trajectory, trajectory_figure),
}


def write_report(predictions: Predictions, out_dir: str | Path, title: str, overwrite: bool = False) -> dict[str, Any]:
    """Write the tables and plots of an evaluation and, last, ``evaluation.json``.

    ``predictions.csv`` and ``predictions.npz`` are written always, ``errors.csv``, ``largest_errors.csv`` and
    ``parity.png`` where there are labels, with a table and a picture of each of ``PARTS`` for which the data suffice.
    An ensemble has ``largest_spread.csv``, and with labels ``calibration.png``.

    Args:
        predictions: the predictions and the labels.
        out_dir: the folder; it is made if it does not exist.
        title: the heading of the plots.
        overwrite: replace an existing evaluation.

    Returns:
        The metrics of :func:`ocp_dc.evaluation.metrics.error_metrics`, and for an ensemble with labels ``calibration``,
        see :func:`ocp_dc.evaluation.calibration.calibration`. Without labels, ``ranges`` of the predictions.

    Raises:
        UserError: the folder already has an evaluation, or is a file.
    """
    out_dir = Path(out_dir)
    check_output(out_dir, overwrite)
    result = out_dir / "evaluation.json"
    parts = [f"{name}.{suffix}" for name in PARTS for suffix in ("csv", "png")]
    for name in (result.name, *FILES, *parts):  # without evaluation.json the other files are not complete
        (out_dir / name).unlink(missing_ok=True)
    metrics = error_metrics(predictions)
    write_csv(out_dir / "predictions.csv", prediction_rows(predictions))
    save_predictions(predictions, out_dir / "predictions.npz")
    if predictions.has_energies or predictions.has_forces:
        units = metrics["units"]
        rows = [{"metric": name, "value": metrics[name], "unit": unit} for name, unit in units.items()]
        write_csv(out_dir / "errors.csv", rows)
        write_csv(out_dir / "largest_errors.csv", largest_errors(predictions))
        parity_plot(predictions, out_dir / "parity.png", title)
        _write_parts(predictions, out_dir, title)
    else:
        metrics["ranges"] = ranges(predictions)
    if predictions.energy_std is not None:
        write_csv(out_dir / "largest_spread.csv", largest_spread(predictions))
        if numbers := calibration(predictions):
            metrics["calibration"] = numbers
            save_figure(calibration_figure(predictions, numbers, title), out_dir / "calibration.png")
    write_record(result, metrics)
    return metrics


def _write_parts(predictions: Predictions, out_dir: Path, title: str) -> None:
    for name, (table, picture) in PARTS.items():
        if rows := table(predictions):
            write_csv(out_dir / f"{name}.csv", rows)
            if (figure := picture(predictions, title)) is not None:
                save_figure(figure, out_dir / f"{name}.png")


def check_output(out_dir: Path, overwrite: bool) -> None:
    """Check that a folder can take an evaluation.

    Raises:
        UserError: it is a file, or holds an evaluation that must not be overwritten.
    """
    if out_dir.exists() and not out_dir.is_dir():
        raise UserError(f"{out_dir}: got a file, expected a folder for the evaluation")
    result = out_dir / "evaluation.json"
    if result.exists() and not overwrite and not is_cut_off(result):
        raise UserError(f"{out_dir}: holds an evaluation already; name another folder, or give --overwrite")


def read_evaluation(path: str | Path) -> dict[str, Any]:
    """Return the metrics of an ``evaluation.json``; null, the value of an undefined metric, becomes NaN.

    Raises:
        UserError: there is no such file, or it is not an evaluation.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: got no such file, expected an evaluation.json written by `ocp-dc evaluate`")
    try:
        metrics = read_record(path, "evaluate again with --overwrite")
        names = [*UNITS, *(name for name in STRESS_UNITS if name in metrics)]
        return {**{name: _number(metrics[name]) for name in names}, "units": metrics["units"]}
    except UserError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: got no evaluation ({error!r}), expected the fields {', '.join(UNITS)}") from error


def _number(value: Any) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"got {value!r}, expected a number or null")
    return value
