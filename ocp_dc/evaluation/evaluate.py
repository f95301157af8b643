"""Evaluate a checkpoint or an ensemble on a file of structures, and write the results."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from ocp_dc.data.structures import ReadOptions, open_structures
from ocp_dc.evaluation.predict import predict_labels
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.evaluation.predictor import Predictor
from ocp_dc.evaluation.report import check_output, write_report


class Evaluation(NamedTuple):
    """The result of an evaluation.

    Attributes:
        predictions: the predictions and the labels.
        metrics: the content of ``evaluation.json``.
        notes: remarks on the file, such as names of labels that were not read.
    """

    predictions: Predictions
    metrics: dict[str, Any]
    notes: list[str]


def evaluate_structures(
    predictor: Predictor,
    data: str | Path,
    out: str | Path,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - immutable
    title: str = "",
    batch_size: int = 32,
    first_n: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Evaluation:
    """Predict the structures of a file, compare with its labels if it has any, and write tables and plots.

    Args:
        predictor: the checkpoint, or an ensemble of them.
        data: a file or a folder of structures of any kind, see :func:`ocp_dc.data.structures.open_structures`.
        out: the folder for the results, see :func:`ocp_dc.evaluation.report.write_report`.
        options: units and names of the labels.
        title: the heading of the plots.
        batch_size: structures per evaluation of the network.
        first_n: use only the first ``first_n`` structures; None for all.
        overwrite: replace an existing evaluation.
        progress: show a progress bar.

    Raises:
        UserError: the file is not valid or only some of its structures have labels, the checkpoint cannot predict it,
            or ``out`` has an evaluation already.
    """
    check_output(Path(out), overwrite)
    with closing(open_structures(data, options, labels=False)) as source:
        predictions = predict_labels(predictor, source, batch_size, progress, first_n)
        notes = source.notes()
    metrics = write_report(predictions, out, title or f"predictions for {data}", overwrite)
    return Evaluation(predictions, metrics, notes)
