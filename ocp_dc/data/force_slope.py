"""Comparison of the forces with differences in energy between similar geometries of one molecule."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocp_dc.data.frames import Frame

FRAMES = 1000  # that are compared at most
DISTANCES = 2_000_000  # interatomic distances held in memory
FEWEST_PAIRS, MOST_PAIRS = 20, 50
FARTHEST = 0.3  # Å: root mean square displacement; between closer geometries the energy is smooth enough


class Slope(NamedTuple):
    """Regression of energy changes on work: correlation and slope are 1 for consistent labels."""

    pairs: int
    correlation: float
    slope: float


class ForceSlope:
    """Compares E(b) - E(a) with -(F(a) + F(b))/2 · (b - a) for the first free molecules of one composition."""

    def __init__(self) -> None:
        self._numbers: NDArray[np.int64] | None = None
        self._kept: list[tuple[NDArray[np.float64], NDArray[np.float64], float]] = []
        self._most = 0

    def add(self, frame: Frame) -> None:
        """Add a structure."""
        if self._numbers is None and frame.natoms > 2:
            self._numbers = frame.numbers
            self._most = min(FRAMES, DISTANCES // (frame.natoms * (frame.natoms - 1) // 2))
        if self._numbers is None or len(self._kept) >= self._most or frame.pbc.any():
            return
        if np.array_equal(frame.numbers, self._numbers):
            self._kept.append((frame.positions, frame.forces, frame.energy))

    def result(self) -> Slope | None:
        """Return the comparison over the nearest pairs; None where too few geometries are similar.

        The two geometries of a pair are superposed (Kabsch 1976), as molecules may rotate and translate between frames.
        """
        if len(self._kept) <= FEWEST_PAIRS:
            return None
        positions = np.stack([p - p.mean(axis=0) for p, _, _ in self._kept])  # [frames, N, 3]
        work: list[float] = []
        change: list[float] = []
        for a, b in _nearest_pairs(positions)[: 3 * MOST_PAIRS]:
            rotation = _rotation(positions[b], positions[a])
            step = positions[b] @ rotation - positions[a]
            if len(work) == MOST_PAIRS or np.sqrt((step**2).sum(axis=1).mean()) > FARTHEST:
                continue
            forces = self._kept[a][1] + self._kept[b][1] @ rotation
            work.append(-0.5 * float((forces * step).sum()))
            change.append(self._kept[b][2] - self._kept[a][2])
        return regression(work, change)


def regression(work: list[float], change: list[float]) -> Slope | None:
    """Return the regression of changes of the energy on work; None for too few pairs, or where all of one are zero."""
    x, y = np.array(work), np.array(change)
    if len(x) < FEWEST_PAIRS or not x.any() or not y.any():
        return None
    return Slope(len(x), float(x @ y / np.sqrt((x @ x) * (y @ y))), float(x @ y / (x @ x)))


def _nearest_pairs(positions: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pair each frame with the one of the most similar interatomic distances; the most similar pairs come first."""
    first, second = np.triu_indices(positions.shape[1], 1)
    distances = np.linalg.norm(positions[:, first] - positions[:, second], axis=-1)  # [frames, N (N - 1) / 2]
    squared = (distances**2).sum(axis=1)
    apart = squared[:, None] + squared[None] - 2.0 * distances @ distances.T  # [frames, frames]
    apart[apart < 1e-9 * squared.max()] = np.inf  # the frame itself, or a duplicate
    nearest = apart.argmin(axis=1)
    order = np.argsort(apart[np.arange(len(nearest)), nearest])
    pairs = {(min(a, b), max(a, b)): None for a, b in zip(order.tolist(), nearest[order].tolist(), strict=True)}
    return [(a, b) for a, b in pairs if np.isfinite(apart[a, b])]


def _rotation(points: NDArray[np.float64], onto: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation R [3, 3] for which ``points @ R`` is nearest to ``onto``; both [N, 3] around 0."""
    u, _, v = np.linalg.svd(points.T @ onto)
    u[:, 2] *= np.sign(np.linalg.det(u @ v)) or 1.0
    return u @ v
