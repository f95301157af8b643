"""Write the results of an evaluation to a folder, and read its metrics back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import is_cut_off, read_record, write_csv, write_record
from ocp_dc.evaluation.metrics import UNITS, error_metrics
from ocp_dc.evaluation.plots import parity_plot
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.evaluation.worst_structures import largest_errors


def write_report(predictions: Predictions, out_dir: str | Path, title: str, overwrite: bool = False) -> dict[str, Any]:
    """Write ``errors.csv``, ``largest_errors.csv``, ``parity.png`` and, last, ``evaluation.json``.

    Args:
        predictions: the predictions and the labels.
        out_dir: the folder; it is made if it does not exist.
        title: the heading of the parity plot.
        overwrite: replace an existing evaluation.

    Returns:
        The metrics of :func:`ocp_dc.evaluation.metrics.error_metrics`.

    Raises:
        UserError: the folder already has an evaluation, or is a file.
    """
    out_dir = Path(out_dir)
    if out_dir.exists() and not out_dir.is_dir():
        raise UserError(f"{out_dir}: got a file, expected a folder for the evaluation")
    result = out_dir / "evaluation.json"
    if result.exists() and not overwrite and not is_cut_off(result):
        raise UserError(f"{result}: there is already an evaluation; name another folder, or overwrite it")
    result.unlink(missing_ok=True)  # its presence means that the other files are complete
    metrics = error_metrics(predictions)
    units = metrics["units"]
    rows = [{"metric": name, "value": metrics[name], "unit": unit} for name, unit in units.items()]
    write_csv(out_dir / "errors.csv", rows)
    write_csv(out_dir / "largest_errors.csv", largest_errors(predictions))
    parity_plot(predictions, out_dir / "parity.png", title)
    write_record(result, metrics)
    return metrics


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
        return {**{name: _number(metrics[name]) for name in UNITS}, "units": metrics["units"]}
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
