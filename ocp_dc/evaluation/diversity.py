"""Descriptors of structures, and the choice of structures that differ most."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

CUTOFF = 5.0  # Å
SPACING = 0.2  # Å between the bins of distances
BINS = round(CUTOFF / SPACING)

Histograms = dict[tuple[int, ...], NDArray[np.float64]]


def descriptors(structures: Iterable[Atoms]) -> NDArray[np.float64]:
    """Return a descriptor [D] of each structure, [B, D] in all; see :func:`histograms` for its parts.

    A part that a structure does not have is 0.

    Args:
        structures: ase's atoms, read one at a time.
    """
    found = [histograms(atoms) for atoms in structures]
    names = sorted({name for each in found for name in each})
    widths = [1 if len(name) == 1 else BINS for name in names]
    ends = np.cumsum([0, *widths])
    table = np.zeros((len(found), ends[-1]))
    for row, each in zip(table, found, strict=True):
        for name, start, end in zip(names, ends[:-1], ends[1:], strict=True):
            if name in each:
                row[start:end] = each[name]
    return table


def histograms(atoms: Atoms) -> Histograms:
    """Return the share of each element, and a histogram of the distances between each pair of elements.

    A distance d below 5 Å, also to a periodic image, adds (1 + cos(pi d / 5 Å)) / 2 to the histogram of its pair of
    elements, shared linearly between the two nearest of the bins at 0.2 Å, 0.4 Å, ..., 5 Å; the histograms are divided
    by the number of atoms. So the descriptor changes continuously with the positions, and does not depend on the order
    of the atoms, nor on translations, rotations and reflections.

    Returns:
        For each element ``(Z,)`` its share [1], and for each pair ``(Z1, Z2)``, Z1 <= Z2, its histogram [25].
    """
    numbers = atoms.numbers
    found: Histograms = {(int(z),): np.array([np.mean(numbers == z)]) for z in np.unique(numbers)}
    first, second, distances = neighbor_list("ijd", atoms, CUTOFF)  # each pair twice
    weights = 0.25 * (1 + np.cos(np.pi * distances / CUTOFF)) / len(numbers)
    position = distances / SPACING - 1  # in bins
    lower = np.floor(position).astype(int)
    pairs = np.sort(np.column_stack([numbers[first], numbers[second]]), axis=1)  # [P, 2]
    for pair in np.unique(pairs, axis=0):
        mask = (pairs == pair).all(axis=1)
        histogram = np.zeros(BINS + 2)  # with a bin below the first one, and one above the last one
        share = position[mask] - lower[mask]
        np.add.at(histogram, lower[mask] + 1, weights[mask] * (1 - share))
        np.add.at(histogram, lower[mask] + 2, weights[mask] * share)
        found[tuple(pair.tolist())] = histogram[1:-1]
    return found


def farthest_points(points: NDArray, count: int, first: int) -> tuple[list[int], list[float]]:
    """Choose points one after another, each the farthest from those that are chosen already.

    Args:
        points: [B, D].
        count: the number of points to choose, at most B.
        first: the first one.

    Returns:
        The chosen points in order, and the distance of each to the nearest one before it; infinity for the first. Of
        points at the same distance the one with the lowest number is chosen.
    """
    chosen, distances = [first], [float("inf")]
    nearest = np.linalg.norm(points - points[first], axis=1)  # [B] to the nearest chosen point
    while len(chosen) < count:
        nearest[chosen[-1]] = -1.0  # never chosen again
        farthest = int(np.argmax(nearest))
        chosen.append(farthest)
        distances.append(float(nearest[farthest]))
        nearest = np.minimum(nearest, np.linalg.norm(points - points[farthest], axis=1))
    return chosen, distances
