"""Hessians by central differences of forces, and the harmonic frequencies of a molecule. Needs numpy and ASE only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase import Atoms
from ase.vibrations import VibrationsData

RIGID = 6  # translations and rotations of a molecule that is not linear


def central_hessian(forces: Callable[[np.ndarray], np.ndarray], positions: np.ndarray, step: float) -> np.ndarray:
    """Return the Hessian [3N, 3N] in eV/Å², symmetrized.

    Args:
        forces: returns the forces [B, N, 3] in eV/Å of geometries [B, N, 3] in Å.
        positions: [N, 3], in Å.
        step: the displacement in Å.
    """
    size = positions.size
    moves = step * np.eye(size).reshape(size, *positions.shape)  # [3N, N, 3]
    there = forces(np.concatenate([positions + moves, positions - moves])).reshape(2, size, size)
    hessian = (there[1] - there[0]) / (2 * step)  # [3N, 3N]
    return (hessian + hessian.T) / 2


def vibrational_hessian(atoms: Atoms, hessian: np.ndarray) -> np.ndarray:
    """Return the mass-weighted Hessian [3N, 3N] without translations and rotations, in eV/(Å² u).

    At a geometry whose forces are not zero rotations would mix with vibrations.
    """
    roots = np.repeat(atoms.get_masses() ** 0.5, 3)  # [3N]
    arms = atoms.positions - atoms.get_center_of_mass()  # [N, 3]
    axes = np.eye(3)
    rigid = [np.tile(axis, len(atoms)) for axis in axes] + [np.cross(axis, arms).ravel() for axis in axes]
    basis, _ = np.linalg.qr(np.stack(rigid, axis=1) * roots[:, None])  # [3N, 6]
    projector = np.eye(len(roots)) - basis @ basis.T
    projected: np.ndarray = projector @ (hessian / np.outer(roots, roots)) @ projector
    return projected


def frequencies(atoms: Atoms, hessian: np.ndarray) -> np.ndarray:
    """Return the 3N - 6 harmonic frequencies in cm^-1, ascending; imaginary ones are negative."""
    roots = np.repeat(atoms.get_masses() ** 0.5, 3)  # [3N]
    data = VibrationsData.from_2d(atoms, vibrational_hessian(atoms, hessian) * np.outer(roots, roots))
    found = data.get_frequencies()  # complex [3N]
    signed = found.real - found.imag
    return np.sort(signed[np.argsort(np.abs(signed))[RIGID:]])


def normal_modes(atoms: Atoms, hessian: np.ndarray) -> np.ndarray:
    """Return the mass-weighted modes [3N, 3N - 6] as columns, in the order of their frequencies."""
    _, modes = np.linalg.eigh(vibrational_hessian(atoms, hessian))
    columns: np.ndarray = modes[:, RIGID:]  # rigid motions have eigenvalues of zero, the lowest ones at a minimum
    return columns


def relative_error(hessian: np.ndarray, reference: np.ndarray) -> float:
    """Return the Frobenius norm of the error, as a share of that of the reference."""
    return float(np.linalg.norm(hessian - reference) / np.linalg.norm(reference))
