"""Tables of predictions alone: of all structures, of the largest spread, and their ranges."""

from __future__ import annotations

import numpy as np

from ocp_dc.evaluation.predictions import Predictions


def prediction_rows(predictions: Predictions) -> list[dict[str, object]]:
    """Return a row for each structure, in the order of the data: its energies, and its largest force and spread."""
    columns = {name: column.tolist() for name, column in _columns(predictions).items()}
    return [
        {
            "id": predictions.ids[index],
            "index": index,
            "natoms": int(predictions.natoms[index]),
            **{name: column[index] for name, column in columns.items()},
        }
        for index in range(len(predictions.ids))
    ]


def largest_spread(predictions: Predictions, count: int = 20) -> list[dict[str, object]]:
    """Return the rows of the ``count`` structures about which an ensemble disagrees most, worst first.

    They are ranked by the largest spread of the force of an atom, or by that of the energy where there are no forces.
    """
    spread = max_forces_std(predictions) if predictions.forces_std is not None else predictions.energy_std
    assert spread is not None
    rows = prediction_rows(predictions)
    order = np.argsort(-spread, kind="stable")[:count]
    return [{"rank": rank, **rows[index]} for rank, index in enumerate(order.tolist(), start=1)]


def max_forces_std(predictions: Predictions) -> np.ndarray:
    """Return the largest spread of the force of an atom of each structure, [B] in eV/Å."""
    assert predictions.forces_std is not None
    return np.maximum.reduceat(predictions.forces_std, predictions.first_atom)


def ranges(predictions: Predictions) -> dict[str, dict[str, float]]:
    """Return the ``lowest`` and the ``highest`` value of each column of numbers of :func:`prediction_rows`."""
    columns = _columns(predictions)
    return {name: {"lowest": float(c.min()), "highest": float(c.max())} for name, c in columns.items()}


def _columns(predictions: Predictions) -> dict[str, np.ndarray]:
    lengths = np.linalg.norm(predictions.forces_pred, axis=1)  # [N]
    columns: dict[str, np.ndarray] = {
        "energy_pred [eV]": predictions.energy_pred,
        "energy_pred_per_atom [eV]": predictions.energy_pred / predictions.natoms,
        "max_force_pred [eV/Å]": np.maximum.reduceat(lengths, predictions.first_atom),
    }
    if predictions.has_energies:
        columns["energy_true [eV]"] = predictions.energy_true
    if predictions.energy_std is not None:
        columns["energy_std [eV]"] = predictions.energy_std
    if predictions.forces_std is not None:
        columns["max_forces_std [eV/Å]"] = max_forces_std(predictions)
    return columns
