"""Predictions of a checkpoint for a file, with its labels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ocp_dc.data.structures import open_structures
from ocp_dc.evaluation import predict
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.hosts import load_predictor


def predict_labels(
    checkpoint: str | Path | Sequence[Path],
    data: Path,
    batch_size: int = 32,
    cpu: bool = True,
    first_n: int | None = None,
) -> Predictions:
    """Return the predictions of a checkpoint, or of an ensemble, for a file with labels."""
    with closing(open_structures(data)) as source:
        return predict.predict_labels(load_predictor(checkpoint, cpu), source, batch_size, False, first_n)
