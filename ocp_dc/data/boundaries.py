"""Periodic boundaries: unwrapping of molecules, distances to periodic images, and cells with vacuum.

In shapes, p is the number of periodic directions.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from ase.geometry import is_minkowski_reduced, minkowski_reduce, wrap_positions
from numpy.typing import NDArray
from scipy.spatial import cKDTree

LARGEST_MOLECULE = 300  # atoms; time and memory grow with the number of pairs
IMAGE_RATIO = 1.5  # images farther away than this many times the longest edge belong to another molecule
FAR_AWAY = 100.0  # Å; from here on, single precision resolves positions to less than 1e-5 Å
VACUUM = 20.0  # Å
SMALLEST_VOLUME = 1e-6  # relative to the product of the lengths of the vectors; below it a cell counts as flat


class WholeStructure(NamedTuple):
    """A structure unwrapped across its periodic boundaries.

    Attributes:
        positions: [N, 3] in Å; each atom is translated by whole cell vectors, the first atom by none.
        longest_edge: the longest edge of the minimum spanning tree of the atoms, in Å; 0 for a single atom.
        image_distance: the shortest distance between an atom and an image of any atom, in Å.
    """

    positions: NDArray[np.float64]
    longest_edge: float
    image_distance: float

    @property
    def is_molecule(self) -> bool:
        """True where the unwrapping is unique; False for crystals, slabs, liquids and polymers."""
        return self.image_distance > IMAGE_RATIO * self.longest_edge


def make_whole(positions: NDArray, cell: NDArray, pbc: NDArray) -> WholeStructure:
    """Unwrap a molecule that is split across the boundaries of its cell.

    Atoms are added by the shortest edge between a placed and an unplaced atom (Prim's algorithm), each as its nearest
    image. Images are found by rounding fractional coordinates in the reduced cell, which is exact for edges shorter
    than half the smallest height of that cell. Memory grows with the square of the number of atoms.

    Args:
        positions: [N, 3] in Å; they may lie outside the cell.
        cell: the cell vectors as rows [3, 3] in Å.
        pbc: periodic along each vector [3]; at least one must be True.
    """
    positions = np.asarray(positions, dtype=np.float64)
    vectors = _reduced(cell, pbc)  # [p, 3]
    edges = positions[None] - positions[:, None]  # [N, N, 3] from the first index to the second
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
    # This test settles most crystals: two of their atoms are closer across the boundary than as placed.
    other_image = np.linalg.norm(whole[None] - whole[:, None] - edges, axis=-1) > 1e-6
    through = float(lengths[other_image].min(initial=np.inf))
    if through > IMAGE_RATIO * longest:
        through = image_distance(whole, cell, pbc)
    return WholeStructure(whole, longest, through)


def image_distance(positions: NDArray, cell: NDArray, pbc: NDArray) -> float:
    """Return the shortest distance in Å between an atom and an image of any atom, itself included.

    An image is a copy translated by at least one cell vector. The distance is infinite where no direction is periodic.

    Args:
        positions: [N, 3] in Å; the search takes longer if they extend over many cells.
        cell: the cell vectors as rows [3, 3] in Å.
        pbc: periodic along each vector [3].
    """
    if not np.any(pbc):
        return np.inf
    positions = np.asarray(positions, dtype=np.float64)
    vectors = _reduced(cell, pbc)  # [p, 3]
    inverse = np.linalg.pinv(vectors)  # [3, p]
    best = float(np.linalg.norm(vectors, axis=1).min())  # an atom and its own image
    # |difference along the normal| <= best limits how many cells away such an image can be.
    reach = np.floor(best * np.linalg.norm(inverse, axis=0) + np.ptp(positions @ inverse, axis=0) + 1e-9).astype(int)
    every = product(*(range(-r, r + 1) for r in reach.tolist()))
    cells = np.array(
        [cell for cell in every if cell > (0,) * len(vectors)]
    )  # the opposite image is at the same distance
    images = positions + (cells @ vectors)[:, None]  # [cells, N, 3]
    found, _ = cKDTree(positions).query(images.reshape(-1, 3), distance_upper_bound=best)
    return min(best, float(found.min()))


def stored_positions(positions: NDArray, cell: NDArray, pbc: NDArray) -> NDArray[np.float64]:
    """Return the positions of a structure as data sets store them, for models with and without periodic boundaries.

    A molecule that fits into its periodic cell is unwrapped and translated as a whole, so that all atoms lie within the
    cell. Any other periodic structure is wrapped into its cell, where fairchem's neighbor search expects the atoms.
    Positions are not wrapped along directions that are not periodic; a structure more than 100 Å from the origin along
    these directions is moved to the origin, because records are stored in single precision.

    Args:
        positions: [N, 3] in Å.
        cell: the cell vectors as rows [3, 3] in Å.
        pbc: periodic along each vector [3].
    """
    positions, pbc = np.asarray(positions, dtype=np.float64), np.asarray(pbc, dtype=bool)
    across = positions - positions @ np.linalg.pinv(cell[pbc]) @ cell[pbc]  # [N, 3] perpendicular to periodic vectors
    if np.abs(across).max(initial=0.0) > FAR_AWAY:
        positions = positions - across.mean(axis=0)
    if not pbc.any():
        return positions
    cell = complete_cell(cell, pbc, positions)
    if len(positions) <= LARGEST_MOLECULE:
        whole = make_whole(positions, cell, pbc)
        fractional = whole.positions @ np.linalg.inv(cell)[:, pbc]  # [N, p]
        low, high = fractional.min(axis=0), fractional.max(axis=0)
        if whole.is_molecule and (high - low < 1).all():
            to_middle = np.where((low < 0) | (high >= 1), 0.5 - (low + high) / 2, 0.0)
            return whole.positions + to_middle @ cell[pbc]
    return wrap_positions(positions, cell, pbc=pbc, eps=0)


def complete_cell(cell: NDArray, pbc: NDArray, positions: NDArray) -> NDArray[np.float64]:
    """Return a cell with a nonzero volume, adding missing vectors along directions that are not periodic.

    Energies do not depend on these vectors, but fairchem's neighbor search divides by the volume.

    Args:
        cell: the cell vectors as rows [3, 3] in Å; those of periodic directions must be linearly independent.
        pbc: periodic along each vector [3].
        positions: [N, 3] in Å.
    """
    return cell if has_volume(cell) else with_vacuum(cell, pbc, positions, VACUUM)


def has_volume(cell: NDArray) -> bool:
    """Return whether the cell vectors [3, 3] in Å are linearly independent."""
    return bool(abs(np.linalg.det(cell)) > SMALLEST_VOLUME * np.linalg.norm(cell, axis=1).prod())


def with_vacuum(cell: NDArray, pbc: NDArray, positions: NDArray, clearance: float) -> NDArray[np.float64]:
    """Return the cell with new vectors along directions that are not periodic, which leave vacuum between images.

    The new vectors are perpendicular to the periodic vectors and to each other.

    Args:
        cell: the cell vectors as rows [3, 3] in Å; those of periodic directions must be linearly independent.
        pbc: periodic along each vector [3].
        positions: [N, 3] in Å.
        clearance: the smallest distance between images along the new vectors, in Å.
    """
    made = np.array(cell, dtype=np.float64)
    free = ~np.asarray(pbc, dtype=bool)
    directions = np.linalg.svd(made[~free], full_matrices=True)[2][(~free).sum() :] if (~free).any() else np.eye(3)
    made[free] = directions * (np.ptp(positions @ directions.T, axis=0) + clearance)[:, None]
    return made


def _reduced(cell: NDArray, pbc: NDArray) -> NDArray[np.float64]:
    """Return the shortest vectors that span the periodic lattice [p, 3]."""
    pbc = np.asarray(pbc, dtype=bool)
    cell = np.where(pbc[:, None], np.asarray(cell, dtype=np.float64), 0.0)
    order = np.argsort(np.linalg.norm(cell, axis=1))
    cell, pbc = cell[order], pbc[order]
    if not is_minkowski_reduced(cell, pbc):
        cell = minkowski_reduce(cell, pbc)[0]
    return np.asarray(cell)[pbc]
