"""Checks of structures and labels; every reader of data calls them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ocp_dc.core.errors import UserError

LARGEST_COORDINATE = 1.0e4  # Å; beyond it the resolution of single precision is worse than 0.001 Å
SHORTEST_DISTANCE = 0.1  # Å; nuclei are never closer in data from electronic structure calculations
LARGEST_FORCE = 1.0e6  # eV/Å
LARGEST_ENERGY = 1.0e9  # eV
LARGEST_STRESS = 1.0e2  # eV/Å³, 16,000 GPa
SMALLEST_HEIGHT = 0.1  # Å; of a periodic cell
PAIRS_AT_ONCE = 10_000  # per block, which fits into the cache of the processor


def check_structure(
    numbers: NDArray, positions: NDArray, cell: NDArray | None, pbc: NDArray | None, where: str
) -> tuple[tuple[int, int], float]:
    """Check that a structure is physically possible.

    Args:
        numbers: atomic numbers [N].
        positions: [N, 3] in Å.
        cell: the cell vectors as rows [3, 3] in Å; None or zeros where there is none.
        pbc: periodic along each cell vector [3]; None where the record has no flags.
        where: the location of the structure for messages: its file and its record.

    Returns:
        The result of :func:`closest_pair`: the two closest atoms, and their distance in Å.

    Raises:
        UserError: there are no atoms, an atomic number is not that of an element, positions or the cell are not finite
            or out of range, two atoms overlap, or a periodic direction has no cell vector.
    """
    numbers, positions = np.asarray(numbers), np.asarray(positions)
    if len(numbers) == 0:
        raise UserError(f"{where}: has no atoms; remove it")
    if positions.shape != (len(numbers), 3):
        raise UserError(
            f"{where}: positions have shape {positions.shape}, expected ({len(numbers)}, 3), as there are "
            f"{len(numbers)} atomic numbers"
        )
    if not ((numbers >= 1) & (numbers <= 118) & (numbers == np.round(numbers))).all():
        wrong = numbers[~((numbers >= 1) & (numbers <= 118) & (numbers == np.round(numbers)))][0]
        raise UserError(f"{where}: got atomic number {wrong}, expected whole numbers from 1 to 118")
    if not np.isfinite(positions).all():
        raise UserError(f"{where}: positions are NaN or infinite; remove the structure, or mend the file")
    if (largest := np.abs(positions).max()) > LARGEST_COORDINATE:
        raise UserError(
            f"{where}: got a coordinate of {largest:.3g} Å, expected at most {LARGEST_COORDINATE:g} Å, where single "
            "precision can still resolve bonds. Is the unit of length right, or has a simulation exploded?"
        )
    if cell is not None:
        check_cell(np.asarray(cell, dtype=np.float64).reshape(3, 3), pbc, where)
    elif pbc is not None and np.any(pbc):
        raise UserError(f"{where}: periodic (pbc {_flags(pbc)}) without a cell; give the cell, or set pbc to F F F")
    pair, distance = closest_pair(positions, cell, pbc)
    if distance < SHORTEST_DISTANCE:
        raise UserError(
            f"{where}: atoms {pair[0]} and {pair[1]} are {distance:.3g} Å apart, expected at least "
            f"{SHORTEST_DISTANCE} Å; is an atom duplicated, or is the unit of length wrong?"
        )
    return pair, distance


def check_cell(cell: NDArray, pbc: NDArray | None, where: str) -> None:
    """Check that a cell is finite and has an extent along each periodic direction.

    A direction that is not periodic needs no vector.

    Args:
        cell: the cell vectors as rows [3, 3] in Å.
        pbc: periodic along each vector [3]; None where the record has no flags.
        where: the location of the structure for messages.

    Raises:
        UserError: the cell is not valid.
    """
    if not np.isfinite(cell).all():
        raise UserError(f"{where}: the cell is NaN or infinite; remove the structure, or mend the file")
    if pbc is None or not np.any(pbc):
        return
    periodic = np.asarray(pbc, dtype=bool).reshape(3)
    for axis in np.flatnonzero(periodic):
        if not cell[axis].any():
            raise UserError(
                f"{where}: periodic (pbc {_flags(periodic)}), but its cell vector {axis + 1} is zero; give the cell, "
                "or set pbc to F along this direction"
            )
    vectors = cell[periodic]  # [p, 3]: a lattice only if they are linearly independent
    # No height is below the smallest singular value, which is faster to compute.
    if np.linalg.svd(vectors, compute_uv=False)[-1] < SMALLEST_HEIGHT and _smallest_height(vectors) < SMALLEST_HEIGHT:
        raise UserError(
            f"{where}: its periodic cell vectors {vectors.round(4).tolist()} span no volume; expected vectors that are "
            "linearly independent, in Å"
        )
    if np.abs(cell).max() > LARGEST_COORDINATE:
        raise UserError(
            f"{where}: got a cell vector of {np.abs(cell).max():.3g} Å, expected at most {LARGEST_COORDINATE:g} Å. Is "
            "the unit of length right?"
        )


def _smallest_height(vectors: NDArray) -> float:
    """Return the smallest distance in Å of a vector [p, 3] from the span of the others; 0 if they are dependent."""
    if np.linalg.matrix_rank(vectors) < len(vectors):
        return 0.0
    return float(1.0 / np.linalg.norm(np.linalg.pinv(vectors), axis=0).max())


def check_labels(energy: float | None, forces: NDArray | None, where: str) -> None:
    """Check that labels are finite, and no larger than calculations give.

    Args:
        energy: eV; None where it is missing.
        forces: [N, 3] in eV/Å; None where they are missing.
        where: the location of the structure for messages.

    Raises:
        UserError: a label is not valid.
    """
    for name, value, limit, unit in (
        ("energy", energy, LARGEST_ENERGY, "eV"),
        ("forces", forces, LARGEST_FORCE, "eV/Å"),
    ):
        _check_label(name, value, limit, unit, where)


def check_stress(stress: NDArray | None, where: str) -> None:
    """Check that a stress in eV/Å³, of any shape, is finite and no larger than calculations give; None is valid.

    Raises:
        UserError: it is not valid.
    """
    _check_label("stress", stress, LARGEST_STRESS, "eV/Å³", where)


def _check_label(name: str, value: float | NDArray | None, limit: float, unit: str, where: str) -> None:
    if value is None or not np.size(value):
        return
    values = np.asarray(value, dtype=np.float64)
    if not np.isfinite(values).all():
        raise UserError(f"{where}: {name}: NaN or infinite; bad data. Remove the structure, or mend the file")
    if (largest := np.abs(values).max()) > limit:
        raise UserError(
            f"{where}: {name}: got {largest:.3g} {unit}, expected at most {limit:g} {unit}. Are the units right?"
        )


def closest_pair(
    positions: NDArray, cell: NDArray | None = None, pbc: NDArray | None = None
) -> tuple[tuple[int, int], float]:
    """Return the two closest atoms, and their distance in Å; infinity for a single atom.

    Along periodic directions the distance is that of the nearest images, found by rounding fractional coordinates. This
    is exact for distances that are short compared with the cell.

    Args:
        positions: [N, 3] in Å.
        cell: [3, 3] in Å.
        pbc: [3].
    """
    coordinates = np.asarray(positions, dtype=np.float64)
    count, wrapped, metric = len(coordinates), 0, np.eye(3)
    if cell is not None and pbc is not None and np.any(pbc):
        periodic = np.asarray(pbc, dtype=bool).reshape(3)
        vectors = np.asarray(cell, dtype=np.float64).reshape(3, 3)[periodic]  # [p, 3]
        wrapped = len(vectors)
        across = np.linalg.svd(vectors)[2][wrapped:] if wrapped < 3 else vectors[3:]  # unit vectors
        basis = np.concatenate([vectors, across])
        coordinates, metric = coordinates @ np.linalg.inv(basis), basis @ basis.T  # the periodic directions first
    columns = np.ascontiguousarray(coordinates.T)  # [3, N]
    best, pair = np.inf, (0, 0)
    start = 0
    while start < count - 1:
        stop = min(start + max(1, PAIRS_AT_ONCE // (count - start)), count)
        difference = columns[:, start:stop, None] - columns[:, None, start:]  # [3, rows, later atoms and these]
        difference[:wrapped] -= np.rint(difference[:wrapped])
        flat = difference.reshape(3, -1)
        squared = np.einsum("kp,kp->p", metric @ flat if wrapped else flat, flat)
        squared[:: count - start + 1] = np.inf  # pairs of an atom with itself
        nearest = int(squared.argmin())
        if squared[nearest] < best:
            best, pair = float(squared[nearest]), divmod(nearest, count - start)
            pair = (start + pair[0], start + pair[1])
        start = stop
    return (min(pair), max(pair)), float(np.sqrt(max(best, 0.0)))


def _flags(pbc: NDArray) -> str:
    return " ".join("T" if flag else "F" for flag in np.asarray(pbc, dtype=bool).reshape(3))
