"""Everything that an evaluation leaves behind, in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import is_cut_off, read_record, write_csv, write_record
from ocp_dc.evaluation.largest import largest_errors
from ocp_dc.evaluation.metrics import UNITS, error_metrics
from ocp_dc.evaluation.plots import parity_plot
from ocp_dc.evaluation.predictions import Predictions


def write_report(predictions: Predictions, out_dir: str | Path, title: str, overwrite: bool = False) -> dict[str, Any]:
    """Write ``errors.csv``, ``largest_errors.csv``, ``parity.png`` and, last, ``evaluation.json``.

    Args:
        predictions: what was predicted, and the labels.
        out_dir: the folder, made where it does not exist.
        title: the heading of the parity plot.
        overwrite: replace an evaluation that is there already.

    Returns:
        The metrics, as :func:`ocp_dc.evaluation.metrics.error_metrics` gives them.

    Raises:
        UserError: the folder holds an evaluation already, or is no folder.
    """
    out_dir = Path(out_dir)
    if out_dir.exists() and not out_dir.is_dir():
        raise UserError(f"{out_dir}: got a file, expected a folder for the evaluation")
    result = out_dir / "evaluation.json"
    if result.exists() and not overwrite and not is_cut_off(result):
        raise UserError(f"{result}: got an evaluation that is there already; name another folder, or overwrite it")
    result.unlink(missing_ok=True)  # it vouches for the other files: not while they are being replaced
    metrics = error_metrics(predictions)
    units = metrics["units"]
    rows = [{"metric": name, "value": metrics[name], "unit": unit} for name, unit in units.items()]
    write_csv(out_dir / "errors.csv", rows)
    write_csv(out_dir / "largest_errors.csv", largest_errors(predictions))
    parity_plot(predictions, out_dir / "parity.png", title)
    write_record(result, metrics)
    return metrics


def read_evaluation(path: str | Path) -> dict[str, Any]:
    """Read the metrics of an ``evaluation.json``; null, which stands for a metric that has no value, becomes NaN.

    Raises:
        UserError: there is no such file, or it holds no evaluation.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: got no such file, expected an evaluation.json as `ocp-dc evaluate` writes it")
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
