"""Recognize the points and values of a training run, whichever processor computes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

PROJECTIONS = 4  # numbers for each array besides its size and root mean square
TOLERANCE = 1e-6  # relative to the root mean square; points are in float32, solutions are solved to 1e-9


def fingerprint(arrays: Iterable[np.ndarray]) -> list[float]:
    """Return a few numbers that identify arrays.

    The last digits of computed data differ between processors: numpy and scipy choose other kernels, which sum in
    another order. A digest of the bytes would refuse to resume on another node of a cluster.

    Args:
        arrays: arrays of any shape.

    Returns:
        For each array its size, its root mean square, and its projections on fixed random directions.
    """
    found: list[float] = []
    for array in arrays:
        values = np.asarray(array, dtype=np.float64).ravel()  # (n,)
        found += [float(values.size), float(np.sqrt(np.mean(values**2)))]
        random = np.random.default_rng(0)
        for _ in range(PROJECTIONS):  # one at a time, since a solution may have millions of values
            direction = random.choice((-1.0, 1.0), size=values.size)  # (n,)
            found.append(float(direction @ values / np.sqrt(values.size)))
    return found


def same_data(first: Sequence[float], second: Sequence[float]) -> bool:
    """Return whether two fingerprints are of the same arrays, up to rounding."""
    if len(first) != len(second):
        return False
    rows = np.array([first, second], dtype=np.float64).reshape(2, -1, 2 + PROJECTIONS)  # (2, arrays, numbers)
    sizes, numbers = rows[..., 0], rows[..., 1:]
    scale = np.abs(rows[..., 1]).max(axis=0)[:, None]  # (arrays, 1)
    return bool((sizes[0] == sizes[1]).all() and (np.abs(numbers[0] - numbers[1]) <= TOLERANCE * scale).all())
