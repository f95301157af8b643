"""Calibration of an ensemble: how well its spread predicts its errors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from ocp_dc.evaluation.predictions import Predictions

MOST_BINS = 20
LEAST_IN_BIN = 10


class Pairs(NamedTuple):
    """Spreads and errors of one property, of the same length: of structures, or of atoms.

    Attributes:
        spread: predicted standard deviations.
        error: absolute errors.
    """

    spread: np.ndarray
    error: np.ndarray


class Bins(NamedTuple):
    """The pairs in order of their spread, in bins of equal counts.

    Attributes:
        spread: the root mean square of the spreads of each bin.
        error: the root mean square error of each bin.
    """

    spread: np.ndarray
    error: np.ndarray


def energy_pairs(predictions: Predictions) -> Pairs:
    """Return the spread and the absolute error of the energy of each structure, [B] in eV."""
    assert predictions.energy_std is not None
    return _finite(predictions.energy_std, np.abs(predictions.energy_error))


def force_pairs(predictions: Predictions) -> Pairs:
    """Return the spread and the length of the error of the force of each free atom, [N_free] in eV/Å."""
    assert predictions.forces_std is not None
    return _finite(predictions.forces_std[predictions.free], np.linalg.norm(predictions.forces_error, axis=1))


def calibration(predictions: Predictions) -> dict[str, Any]:
    """Return the calibration of the energies and of the forces of an ensemble, as far as there are labels.

    Returns:
        ``energy`` and ``forces``, each with ``spearman``, the rank correlation of spread and absolute error (1 where
        the spread sorts the structures or atoms by their error, 0 where it says nothing), with ``rms_spread`` and
        ``rmse``, and with ``rmse_over_spread``, their ratio: 1 for a calibrated ensemble, above 1 where it is too
        sure. Errors and spreads of forces are lengths of vectors.
    """
    found = {}
    if predictions.energy_std is not None and predictions.has_energies:
        found["energy"] = _numbers(energy_pairs(predictions))
    if predictions.forces_std is not None and predictions.has_forces:
        found["forces"] = _numbers(force_pairs(predictions))
    return found


def bins(pairs: Pairs) -> Bins:
    """Return root mean squares over bins of equal counts: at most 20 bins, each of 10 pairs or more."""
    order = np.argsort(pairs.spread, kind="stable")
    count = min(MOST_BINS, max(1, len(order) // LEAST_IN_BIN))
    parts = [part for part in np.array_split(order, count) if len(part)]
    spread, error = (np.array([_rms(values[part]) for part in parts]) for values in pairs)
    return Bins(spread, error)


def _finite(spread: np.ndarray, error: np.ndarray) -> Pairs:
    finite = np.isfinite(spread) & np.isfinite(error)
    return Pairs(spread[finite], error[finite])


def _numbers(pairs: Pairs) -> dict[str, float]:
    spread, rmse = _rms(pairs.spread), _rms(pairs.error)
    varies = len(pairs.spread) > 1 and all(np.ptp(values) > 0 for values in pairs)
    return {
        "spearman": float(spearmanr(*pairs).statistic) if varies else float("nan"),
        "rms_spread": spread,
        "rmse": rmse,
        "rmse_over_spread": rmse / spread if spread > 0 else float("nan"),
    }


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
