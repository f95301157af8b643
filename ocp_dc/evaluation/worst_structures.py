"""List the structures with the largest errors."""

from __future__ import annotations

import numpy as np

from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.predictions import Predictions


def largest_errors(predictions: Predictions, count: int = 20) -> list[dict[str, object]]:
    """Return the ``count`` structures with the largest energy errors, then those with the largest force errors.

    The force error of a structure is the largest absolute component over its free atoms; a structure without free
    atoms is not ranked by forces. Errors that are not finite come first; equal errors keep the order of the data.

    Structures without energies, or without forces, as labels have no such rows.

    Returns:
        Rows for a CSV file, worst first: the error by which the row is ranked, its rank from 1, the id and the index
        of the structure, its number of atoms, energies (eV), largest force error (eV/Å), and the atom with that error.

    Raises:
        UserError: ``count`` is below 1.
    """
    if count < 1:
        raise UserError(f"count: got {count}, expected at least 1 structure to list")
    with_free_atoms = np.flatnonzero(predictions.n_free)
    energy = _worst_first(np.abs(predictions.energy_error))[:count]
    forces = with_free_atoms[_worst_first(predictions.max_force_error[with_free_atoms])[:count]]
    rows = _rows(predictions, "energy", energy) if predictions.has_energies else []
    return rows + (_rows(predictions, "forces", forces) if predictions.has_forces else [])


def _worst_first(errors: np.ndarray) -> np.ndarray:
    return np.argsort(-np.where(np.isnan(errors), np.inf, errors), kind="stable")


def _rows(predictions: Predictions, ranked_by: str, structures: np.ndarray) -> list[dict[str, object]]:
    first_atom, n_free = predictions.first_atom, predictions.n_free
    max_force_error, atom_force_error = predictions.max_force_error, predictions.atom_force_error
    rows: list[dict[str, object]] = []
    for rank, s in enumerate(structures.tolist(), start=1):
        atoms = slice(first_atom[s], first_atom[s] + predictions.natoms[s])
        has_forces = bool(n_free[s])
        rows.append(
            {
                "ranked_by": ranked_by,
                "rank": rank,
                "id": predictions.ids[s],
                "index": s,
                "natoms": int(predictions.natoms[s]),
                "free_atoms": int(n_free[s]),
                "energy_true [eV]": float(predictions.energy_true[s]),
                "energy_pred [eV]": float(predictions.energy_pred[s]),
                "energy_error [eV]": float(predictions.energy_error[s]),
                "max_force_error [eV/Å]": float(max_force_error[s]) if has_forces else "",
                "worst_atom": int(np.argmax(atom_force_error[atoms])) if has_forces else "",
            }
        )
    return rows
