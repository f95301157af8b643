"""Periodic boundaries: molecules put together across them, distances to images, and cells with vacuum."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from ase.geometry import is_minkowski_reduced, minkowski_reduce, wrap_positions
from numpy.typing import NDArray
from scipy.spatial import cKDTree

LARGEST_MOLECULE = 300  # atoms; all pairs are looked at
CLEARLY = 1.5  # images this many times farther away than the longest edge of the molecule are another molecule
FAR_AWAY = 100.0  # Å; from here on, single precision resolves positions to less than 1e-5 Å
VACUUM = 20.0  # Å
FLAT = 1e-6  # of the product of the vectors' lengths; a cell of a smaller volume has none


class Whole(NamedTuple):
    """A structure put together across its boundaries.

    Attributes:
        positions: (n, 3) in Å; each atom is moved by whole cell vectors, the first by none.
        longest_edge: the longest edge of the tree that connects all atoms by the shortest edges, in Å; 0 of one atom.
        image_distance: the shortest distance between an atom and an image of any atom, in Å.
    """

    positions: NDArray[np.float64]
    longest_edge: float
    image_distance: float

    @property
    def is_molecule(self) -> bool:
        """Whether no other way to put it together is as good: false for crystals, slabs, liquids and polymers."""
        return self.image_distance > CLEARLY * self.longest_edge


def make_whole(positions: NDArray, cell: NDArray, pbc: NDArray) -> Whole:
    """Put a molecule together that the boundaries of its cell tear apart.

    Atoms are joined by the shortest edge between one that is placed and one that is not (Prim's algorithm), each to
    the nearest image. Images are found by rounding fractional coordinates in the reduced cell, exact for edges below
    half the smallest height of that cell. Memory grows with the square of the number of atoms.

    Args:
        positions: (n, 3) in Å, anywhere.
        cell: the cell vectors as rows (3, 3) in Å.
        pbc: periodic along each vector (3,); at least one is.
    """
    positions = np.asarray(positions, dtype=np.float64)
    vectors = _reduced(cell, pbc)  # (p, 3)
    edges = positions[None] - positions[:, None]  # (n, n, 3) from the first index to the second
    edges -= np.round(edges @ np.linalg.pinv(vectors)) @ vectors
    lengths = np.linalg.norm(edges, axis=-1)
    whole = positions.copy()
    nearest, origin = lengths[0].copy(), np.zeros(len(positions), dtype=np.intp)
    nearest[0] = np.inf  # placed
    placed = np.zeros(len(positions), dtype=bool)
    placed[0] = True
    longest = 0.0
    for _ in range(len(positions) - 1):
        atom = int(nearest.argmin())
        longest = max(longest, float(nearest[atom]))
        whole[atom] = whole[origin[atom]] + edges[origin[atom], atom]
        nearest[atom], placed[atom] = np.inf, True
        closer = (lengths[atom] < nearest) & ~placed
        nearest[closer], origin[closer] = lengths[atom, closer], atom
    # Most crystals end here: two of their atoms are nearer through the boundary than as placed.
    other_image = np.linalg.norm(whole[None] - whole[:, None] - edges, axis=-1) > 1e-6
    through = float(lengths[other_image].min(initial=np.inf))
    if through > CLEARLY * longest:
        through = image_distance(whole, cell, pbc)
    return Whole(whole, longest, through)


def image_distance(positions: NDArray, cell: NDArray, pbc: NDArray) -> float:
    """Return the shortest distance in Å between an atom and an image of any atom, itself included.

    Images are copies moved by cell vectors, at least one of them; infinity where no direction is periodic.

    Args:
        positions: (n, 3) in Å; the search takes longer the more cells they extend over.
        cell: the cell vectors as rows (3, 3) in Å.
        pbc: periodic along each vector (3,).
    """
    if not np.any(pbc):
        return np.inf
    positions = np.asarray(positions, dtype=np.float64)
    vectors = _reduced(cell, pbc)  # (p, 3)
    inverse = np.linalg.pinv(vectors)  # (3, p)
    best = float(np.linalg.norm(vectors, axis=1).min())  # an atom and its own image
    # |difference along the normal| <= best bounds how many cells away such an image can be.
    reach = np.floor(best * np.linalg.norm(inverse, axis=0) + np.ptp(positions @ inverse, axis=0) + 1e-9).astype(int)
    every = product(*(range(-r, r + 1) for r in reach.tolist()))
    cells = np.array([cell for cell in every if cell > (0,) * len(vectors)])  # the opposite image is as far
    images = positions + (cells @ vectors)[:, None]  # (cells, n, 3)
    found, _ = cKDTree(positions).query(images.reshape(-1, 3), distance_upper_bound=best)
    return min(best, float(found.min()))


def place(positions: NDArray, cell: NDArray, pbc: NDArray) -> NDArray[np.float64]:
    """Return positions as data sets hold them: the same structure, for models with and without periodic boundaries.

    A molecule in a periodic cell that has room for it is put together, and moved as a whole so that all atoms lie
    within the cell. Any other periodic structure is folded into its cell, where fairchem's neighbor search expects the
    atoms. Nothing is folded along a direction that is not periodic; a structure more than 100 Å from the origin along
    these directions is moved there, since records hold single precision.

    Args:
        positions: (n, 3) in Å.
        cell: the cell vectors as rows (3, 3) in Å.
        pbc: periodic along each vector (3,).
    """
    positions, pbc = np.asarray(positions, dtype=np.float64), np.asarray(pbc, dtype=bool)
    across = positions - positions @ np.linalg.pinv(cell[pbc]) @ cell[pbc]  # (n, 3) perpendicular to periodic vectors
    if np.abs(across).max(initial=0.0) > FAR_AWAY:
        positions = positions - across.mean(axis=0)
    if not pbc.any():
        return positions
    cell = complete_cell(cell, pbc, positions)
    if len(positions) <= LARGEST_MOLECULE:
        whole = make_whole(positions, cell, pbc)
        fractional = whole.positions @ np.linalg.inv(cell)[:, pbc]  # (n, p)
        low, high = fractional.min(axis=0), fractional.max(axis=0)
        if whole.is_molecule and (high - low < 1).all():
            to_middle = np.where((low < 0) | (high >= 1), 0.5 - (low + high) / 2, 0.0)
            return whole.positions + to_middle @ cell[pbc]
    return wrap_positions(positions, cell, pbc=pbc, eps=0)


def complete_cell(cell: NDArray, pbc: NDArray, positions: NDArray) -> NDArray[np.float64]:
    """Return a cell that has a volume: missing vectors along directions that are not periodic are made up.

    Energies do not depend on them, but fairchem's neighbor search divides by the volume.

    Args:
        cell: the cell vectors as rows (3, 3) in Å; those of periodic directions must be linearly independent.
        pbc: periodic along each vector (3,).
        positions: (n, 3) in Å.
    """
    return cell if has_volume(cell) else with_vacuum(cell, pbc, positions, VACUUM)


def has_volume(cell: NDArray) -> bool:
    """Return whether the cell vectors (3, 3) in Å are linearly independent."""
    return bool(abs(np.linalg.det(cell)) > FLAT * np.linalg.norm(cell, axis=1).prod())


def with_vacuum(cell: NDArray, pbc: NDArray, positions: NDArray, clearance: float) -> NDArray[np.float64]:
    """Return the cell whose vectors along directions that are not periodic leave vacuum between images.

    They are perpendicular to the periodic vectors and to each other.

    Args:
        cell: the cell vectors as rows (3, 3) in Å; those of periodic directions must be linearly independent.
        pbc: periodic along each vector (3,).
        positions: (n, 3) in Å.
        clearance: the least distance of images through the new vectors, in Å.
    """
    made = np.array(cell, dtype=np.float64)
    free = ~np.asarray(pbc, dtype=bool)
    directions = np.linalg.svd(made[~free], full_matrices=True)[2][(~free).sum() :] if (~free).any() else np.eye(3)
    made[free] = directions * (np.ptp(positions @ directions.T, axis=0) + clearance)[:, None]
    return made


def _reduced(cell: NDArray, pbc: NDArray) -> NDArray[np.float64]:
    """Return the shortest vectors that span the periodic lattice (p, 3)."""
    pbc = np.asarray(pbc, dtype=bool)
    cell = np.where(pbc[:, None], np.asarray(cell, dtype=np.float64), 0.0)
    order = np.argsort(np.linalg.norm(cell, axis=1))
    cell, pbc = cell[order], pbc[order]
    if not is_minkowski_reduced(cell, pbc):
        cell = minkowski_reduce(cell, pbc)[0]
    return np.asarray(cell)[pbc]
