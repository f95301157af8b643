"""Errors in parts: by element, by kind of structure, by the size of the force, and along a trajectory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from ase.data import chemical_symbols

from ocp_dc.evaluation.predictions import Predictions

MOST_BINS = 20
LEAST_IN_BIN = 10
IDENTITY = re.compile(r"(\d+)_(\d+)")  # of a structure: system and number in it

Row = dict[str, Any]


class Sequences(NamedTuple):
    """The place of each structure in a trajectory.

    Attributes:
        trajectory: ``[B]`` the number of the trajectory.
        frame: ``[B]`` the number of the frame in it.
        order: ``[B]`` the structures by trajectory and frame.
    """

    trajectory: np.ndarray
    frame: np.ndarray
    order: np.ndarray


def errors_by_element(predictions: Predictions) -> list[Row]:
    """Return a row for each element, by atomic number: errors of the forces of its free atoms, over components.

    ``forces_rms`` is the root mean square of the components of the labels, with which errors compare.
    """
    if predictions.numbers is None or not predictions.has_forces:
        return []
    numbers, true = np.asarray(predictions.numbers)[predictions.free], predictions.forces_true[predictions.free]
    errors = predictions.forces_error  # [N_free, 3]
    rows: list[Row] = []
    for number in np.unique(numbers).tolist():
        mask = numbers == number
        rows.append(
            {
                "element": symbol(number),
                "free_atoms": int(mask.sum()),
                "forces_mae [eV/Å]": float(np.abs(errors[mask]).mean()),
                "forces_rmse [eV/Å]": rms(errors[mask]),
                "forces_rms [eV/Å]": rms(true[mask]),
            }
        )
    return rows


def errors_by_config_type(predictions: Predictions) -> list[Row]:
    """Return a row for each kind of structure, by name: errors as in ``evaluation.json``, NaN where undefined."""
    if predictions.config_types is None:
        return []
    kinds = np.array(predictions.config_types)  # [B]
    of_atoms = np.repeat(kinds, predictions.natoms)[predictions.free]  # [N_free]
    energy, forces = predictions.energy_error, predictions.forces_error
    rows: list[Row] = []
    for kind in sorted(set(kinds.tolist())):
        mask = kinds == kind
        of_kind = forces[of_atoms == kind]
        rows.append(
            {
                "config_type": kind or "(none)",
                "n_structures": int(mask.sum()),
                "energy_mae [eV]": float(np.abs(energy[mask]).mean()),
                "energy_rmse [eV]": rms(energy[mask]),
                "energy_per_atom_mae [eV]": float((np.abs(energy) / predictions.natoms)[mask].mean()),
                "forces_mae [eV/Å]": float(np.abs(of_kind).mean()) if of_kind.size else float("nan"),
                "forces_rmse [eV/Å]": rms(of_kind),
            }
        )
    return rows


def errors_by_force(predictions: Predictions) -> list[Row]:
    """Return a row for each range of lengths of the true force of a free atom, in ascending order.

    The ranges hold equal numbers of atoms: at most 20 ranges, of 10 atoms or more. Errors are lengths of vectors;
    ``relative_error`` is the root mean square error over the root mean square length.
    """
    if not predictions.has_forces:
        return []
    lengths = np.linalg.norm(predictions.forces_true[predictions.free], axis=1)  # [N_free]
    errors = np.linalg.norm(predictions.forces_error, axis=1)
    order = np.argsort(lengths, kind="stable")
    count = min(MOST_BINS, max(1, len(order) // LEAST_IN_BIN))
    rows: list[Row] = []
    for part in np.array_split(order, count):
        if not len(part):
            continue
        length, rmse = rms(lengths[part]), rms(errors[part])
        rows.append(
            {
                "from [eV/Å]": float(lengths[part[0]]),
                "to [eV/Å]": float(lengths[part[-1]]),
                "free_atoms": len(part),
                "force_rms [eV/Å]": length,
                "error_mean [eV/Å]": float(errors[part].mean()),
                "error_rms [eV/Å]": rmse,
                "relative_error": rmse / length if length else float("nan"),
            }
        )
    return rows


def errors_along_trajectory(predictions: Predictions) -> list[Row]:
    """Return a row for each structure, by trajectory and frame: the error of the energy per atom, and the force MAE."""
    if not predictions.has_energies and not predictions.has_forces:
        return []
    found = sequences(predictions.ids)
    energy, forces = energy_per_atom_errors(predictions), force_maes(predictions)
    return [
        {
            "trajectory": int(found.trajectory[index]),
            "frame": int(found.frame[index]),
            "energy_per_atom_error [eV]": float(energy[index]),
            "forces_mae [eV/Å]": float(forces[index]),
        }
        for index in found.order.tolist()
    ]


def sequences(ids: Sequence[str]) -> Sequences:
    """Return the place of each structure from its name ``SYSTEM_FRAME``, or from its place in the data.

    Where each system has one structure, as in data sets that were split at random, all are of one trajectory, and the
    number of the system is that of the frame: ``ocp-dc prepare`` takes it from the place in the source.
    """
    matches = [IDENTITY.fullmatch(name) for name in ids]
    if not all(matches):
        frame, trajectory = np.arange(len(ids)), np.zeros(len(ids), dtype=np.int64)
    else:
        pairs = np.array([[int(part) for part in match.groups()] for match in matches if match])  # [B, 2]
        trajectory, frame = pairs[:, 0], pairs[:, 1]
        if len(set(trajectory.tolist())) == len(ids):
            trajectory, frame = np.zeros(len(ids), dtype=np.int64), trajectory
    return Sequences(trajectory, frame, np.lexsort((frame, trajectory)))


def energy_per_atom_errors(predictions: Predictions) -> np.ndarray:
    """Return predicted minus true energy per atom, ``[B]`` in eV."""
    return predictions.energy_error / predictions.natoms


def force_maes(predictions: Predictions) -> np.ndarray:
    """Return the force MAE of each structure over the components of its free atoms, ``[B]``; NaN without any."""
    error = np.zeros(len(predictions.free))
    error[predictions.free] = np.abs(predictions.forces_error).mean(axis=1)
    n_free = predictions.n_free
    total = np.add.reduceat(error, predictions.first_atom)
    return np.divide(total, n_free, out=np.full(len(total), np.nan), where=n_free > 0)


def symbol(number: int) -> str:
    """Return the symbol of an element, or its number where there is none."""
    return chemical_symbols[number] if 0 < number < len(chemical_symbols) else str(number)


def rms(values: np.ndarray) -> float:
    """Return the root mean square of values; NaN without any."""
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
