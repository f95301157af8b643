"""Error metrics of energies and forces, in float64 and physical units."""

from __future__ import annotations

from typing import Any

import numpy as np

from ocp_dc.evaluation.predictions import Predictions

# The thresholds of EFwT (energy and forces within threshold), both inclusive; fairchem's evaluator uses `<`.
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
STRESS_UNITS = {"stress_mae": "eV/Å³", "stress_rmse": "eV/Å³"}  # only where labels and predictions have stresses


def error_metrics(predictions: Predictions) -> dict[str, Any]:
    """Return the fields of ``evaluation.json``: a number for each key of ``UNITS``, ``units``, and numbers of atoms.

    Errors of energies are means over structures; ``energy_per_atom_mae`` is the mean of ``|dE| / natoms``. Errors of
    forces are means over the components of free atoms, and ``forces_cosine`` is the mean over free atoms. ``efwt`` is
    the fraction of structures with ``|dE| <= 0.02`` eV and ``max |dF| <= 0.03`` eV/Å; only the energy counts if a
    structure has no free atoms. ``n_atoms`` counts all atoms, ``n_free_atoms`` those whose forces are compared.

    Where structures have stresses as labels and as predictions, ``stress_mae`` and ``stress_rmse`` are means over the
    six components of the order of Voigt.

    An undefined metric is NaN, such as those of forces without free atoms, or without labels. It may be NaN or infinite
    if the model has diverged.
    """
    de = np.abs(predictions.energy_error)  # [B]
    df = predictions.forces_error  # [N_free, 3]
    within = (de <= ENERGY_THRESHOLD) & (predictions.max_force_error <= FORCE_THRESHOLD)  # [B]
    stress = stress_errors(predictions)  # [B_stress, 6]
    metrics = {
        "n_structures": len(de),
        "energy_mae": _mean(de),
        "energy_rmse": _mean(de**2) ** 0.5,
        "energy_per_atom_mae": _mean(de / predictions.natoms),
        "forces_mae": _mean(np.abs(df)),
        "forces_rmse": _mean(df**2) ** 0.5,
        "forces_cosine": _mean(
            cosines(predictions.forces_pred[predictions.free], predictions.forces_true[predictions.free])
        ),
        "efwt": _mean(within) if predictions.has_energies and predictions.has_forces else float("nan"),
        "n_atoms": int(predictions.natoms.sum()),
        "n_free_atoms": int(predictions.free.sum()),
    }
    if len(stress):
        metrics |= {"stress_mae": _mean(np.abs(stress)), "stress_rmse": _mean(stress**2) ** 0.5}
    return {**metrics, "units": {**UNITS, **(STRESS_UNITS if len(stress) else {})}}


def stress_errors(predictions: Predictions) -> np.ndarray:
    """Return predicted minus true stresses, [B_stress, 6] in eV/Å³, of the structures that have both."""
    if predictions.stress_true is None or predictions.stress_pred is None:
        return np.zeros((0, 6))
    error = predictions.stress_pred - predictions.stress_true
    return error[~np.isnan(error).any(axis=1)]


def cosines(a: np.ndarray, b: np.ndarray, smallest: float = 1e-8) -> np.ndarray:
    """Return the cosines ``[N]`` between the rows of ``a`` and ``b``, ``[N, 3]`` each.

    A norm below ``smallest`` is replaced by ``smallest``, as in ``torch.cosine_similarity``, which fairchem's
    evaluator uses; so the cosine with a zero vector is 0.
    """
    with np.errstate(invalid="ignore"):  # infinite predictions give NaN (inf / inf), as they should
        a, b = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), smallest) for v in (a, b))
        return (a * b).sum(axis=1)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")
