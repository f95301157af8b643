"""Comparison of the stress with differences in energy between similar crystals of one composition."""

from __future__ import annotations

import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress

from ocp_dc.data.force_slope import FARTHEST, FEWEST_PAIRS, MOST_PAIRS, Slope, regression
from ocp_dc.data.frames import Frame

CRYSTALS, ATOMS = 200, 20_000  # that are compared at most
STRAINS = (1e-3, 0.1)  # between the cells of a pair: the work of the stress is seen, and the energy is smooth enough


class StressSlope:
    """Compares changes of the energy with the work of the stress for the first crystals of one composition.

    From a crystal a to b, by a strain ε and then displacements u, both relative to the mean of the two cells, the
    energy changes by the work of the stress, (Vσ(a) + Vσ(b))/2 : ε, and of the forces, -(F(a) + F(b))/2 · u.
    """

    def __init__(self) -> None:
        self.squares = 0.0  # of the components of all stresses
        self.count = 0  # of structures with a stress
        self._kept: list[Frame] = []

    @property
    def rms(self) -> float:
        """The root mean square of the components of all stresses, in eV/Å³."""
        return float(np.sqrt(self.squares / max(6 * self.count, 1)))

    def add(self, frame: Frame) -> None:
        """Add a structure."""
        if frame.stress is None:
            return
        self.count += 1
        self.squares += float(frame.stress @ frame.stress)
        kept = self._kept
        is_alike = not kept or np.array_equal(frame.numbers, kept[0].numbers)
        if is_alike and frame.pbc.all() and len(kept) < min(CRYSTALS, ATOMS // frame.natoms):
            kept.append(frame)

    def result(self) -> Slope | None:
        """Return the comparison over the most similar pairs; None where too few are similar and differ in the cell."""
        if len(self._kept) <= FEWEST_PAIRS:
            return None
        cells = np.array([frame.cell for frame in self._kept])  # [M, 3, 3]
        scaled = np.stack([np.linalg.solve(f.cell.T, f.positions.T).T for f in self._kept])  # [M, N, 3]
        forces = np.stack([frame.forces for frame in self._kept])  # [M, N, 3]
        energies = np.array([frame.energy for frame in self._kept])
        volumes = np.abs(np.linalg.det(cells))[:, None, None]
        virials = volumes * np.stack([voigt_6_to_full_3x3_stress(f.stress) for f in self._kept])  # [M, 3, 3]
        found: dict[tuple[int, int], tuple[float, float, float]] = {}
        for a in range(len(cells)):
            steps = scaled - scaled[a]
            steps -= np.round(steps)  # to the nearest image
            mean = (cells + cells[a]) / 2
            steps = (steps - steps.mean(axis=1, keepdims=True)) @ mean  # [M, N, 3]
            strains = np.linalg.solve(mean, cells - cells[a])  # [M, 3, 3]
            distances = np.sqrt((steps**2).sum(axis=2).mean(axis=1))  # [M]
            sizes = np.linalg.norm(strains, axis=(1, 2))
            usable = (sizes > STRAINS[0]) & (sizes < STRAINS[1]) & (distances < FARTHEST)
            ratios = np.where(usable, distances / np.maximum(sizes, STRAINS[0]), np.inf)
            b = int(ratios.argmin())  # where the forces disturb the comparison least
            if usable[b]:
                work = float(((virials[a] + virials[b]) * strains[b]).sum()) / 2
                rest = energies[b] - energies[a] + float(((forces[a] + forces[b]) * steps[b]).sum()) / 2
                sign = 1.0 if a < b else -1.0
                found[min(a, b), max(a, b)] = float(ratios[b]), sign * work, sign * rest
        nearest = sorted(found.values())[:MOST_PAIRS]
        return regression([work for _, work, _ in nearest], [rest for _, _, rest in nearest])
