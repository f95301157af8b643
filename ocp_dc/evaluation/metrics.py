"""The error metrics of energies and forces, in float64 and physical units."""

from __future__ import annotations

from typing import Any

import numpy as np

from ocp_dc.evaluation.predictions import Predictions

# The thresholds of EFwT, both inclusive; fairchem's evaluator has the same two with `<`.
ENERGY_THRESHOLD = 0.02  # eV
FORCE_THRESHOLD = 0.03  # eV/Å

UNITS = {
    "n_structures": "count",
    "energy_mae": "eV",
    "energy_rmse": "eV",
    "energy_per_atom_mae": "eV",
    "forces_mae": "eV/Å",
    "forces_rmse": "eV/Å",
    "forces_cosine": "dimensionless",
    "efwt": "fraction",
}


def error_metrics(predictions: Predictions) -> dict[str, Any]:
    """Return the fields of ``evaluation.json``: a number for each key of ``UNITS``, and ``units``.

    Energies are taken per structure; ``energy_per_atom_mae`` is the mean of ``|dE| / natoms``. Forces are taken over
    the components of free atoms, ``forces_cosine`` over free atoms. ``efwt`` is the fraction of structures with
    ``|dE| <= 0.02`` eV and ``max |dF| <= 0.03`` eV/Å; one without free atoms is judged by its energy. Beside them stand
    ``n_atoms``, those that an energy per atom is divided by, and ``n_free_atoms``, those whose forces count.

    A metric that has no value is NaN: those of forces where no atom is free. A diverged model has NaN or infinity.
    """
    de = np.abs(predictions.energy_error)  # (S,)
    df = predictions.forces_error  # (F, 3)
    within = (de <= ENERGY_THRESHOLD) & (predictions.max_force_error <= FORCE_THRESHOLD)  # (S,)
    return {
        "n_structures": len(de),
        "energy_mae": _mean(de),
        "energy_rmse": _mean(de**2) ** 0.5,
        "energy_per_atom_mae": _mean(de / predictions.natoms),
        "forces_mae": _mean(np.abs(df)),
        "forces_rmse": _mean(df**2) ** 0.5,
        "forces_cosine": _mean(
            cosines(predictions.forces_pred[predictions.free], predictions.forces_true[predictions.free])
        ),
        "efwt": _mean(within),
        "units": dict(UNITS),
        "n_atoms": int(predictions.natoms.sum()),
        "n_free_atoms": int(predictions.free.sum()),
    }


def cosines(a: np.ndarray, b: np.ndarray, smallest: float = 1e-8) -> np.ndarray:
    """Return the cosine between the rows of ``a`` and ``b``, (N, 3) each, as an (N,) array.

    A norm below ``smallest`` counts as ``smallest``, as in ``torch.cosine_similarity``, which fairchem's evaluator
    takes: the cosine with a zero vector is 0.
    """
    with np.errstate(invalid="ignore"):  # infinite predictions: inf / inf is the NaN that they deserve
        a, b = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), smallest) for v in (a, b))
        return (a * b).sum(axis=1)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")
