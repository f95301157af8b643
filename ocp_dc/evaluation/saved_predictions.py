"""Save predictions as an npz file and load them again, for further analysis without the model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ocp_dc.core.errors import UserError
from ocp_dc.core.npz_file import write_npz
from ocp_dc.data.safe_npz import load_npz, npz_shapes
from ocp_dc.evaluation.predictions import OPTIONAL, Predictions

FIELDS = tuple(field.name for field in dataclasses.fields(Predictions) if field.name not in OPTIONAL)
TEXTS = ("ids", "config_types")


def save_predictions(predictions: Predictions, path: str | Path) -> None:
    """Write predictions as an npz file with an array for each field; an existing file is replaced atomically."""
    known = [*FIELDS, *(name for name in OPTIONAL if getattr(predictions, name) is not None)]
    write_npz(path, **{name: np.asarray(getattr(predictions, name)) for name in known})


def load_predictions(path: str | Path) -> Predictions:
    """Return the predictions in a file of :func:`save_predictions`, which is read as data.

    Raises:
        UserError: the file is missing or damaged, or does not have predictions.
        UnsafeDataError: the file has Python objects.
    """
    arrays = load_npz(path, [*FIELDS, *(name for name in OPTIONAL if name in npz_shapes(path))])
    texts: dict[str, Any] = {}
    for name in TEXTS:
        if name not in arrays:
            continue
        array = arrays.pop(name)
        if array.ndim != 1 or array.dtype.kind != "U":
            raise UserError(f"{path}: {name}: got shape {array.shape} of {array.dtype}, expected a 1D array of names")
        texts[name] = array.tolist()
    try:
        return Predictions(**{**arrays, **texts})
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
