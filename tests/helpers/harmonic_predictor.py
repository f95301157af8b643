"""A predictor that needs no host: each atom in a well around the origin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray


class Harmonic:
    """Energies k Σ r² in eV, and their forces -2 k r; the stress of periodic structures is k along the diagonal.

    Args:
        k: eV/Å².
        stop_after: raise KeyboardInterrupt in place of a further batch after this many; None for never.
        properties: the properties that it predicts.
    """

    def __init__(
        self, k: float, stop_after: int | None = None, properties: tuple[str, ...] = ("energy", "forces")
    ) -> None:
        self.k, self.stop_after, self.properties = k, stop_after, properties
        self.sizes: list[list[int]] = []

    def predict(self, structures: Sequence[Atoms], energies: bool = False) -> dict[str, NDArray[np.float64]]:
        if len(self.sizes) == self.stop_after:
            raise KeyboardInterrupt
        self.sizes.append([len(atoms) for atoms in structures])
        positions = np.concatenate([atoms.positions for atoms in structures])
        stress = np.array([[self.k] * 3 + [0.0] * 3 if atoms.pbc.all() else [np.nan] * 6 for atoms in structures])
        found = {
            "energy": np.array([self.k * (atoms.positions**2).sum() for atoms in structures]),
            "forces": -2 * self.k * positions,
            "stress": stress,
            "energies": self.k * (positions**2).sum(axis=1),
        }
        return {name: found[name] for name in self.properties if energies or name != "energies"}


def clusters(count: int, seed: int = 0, largest: int = 6) -> list[Atoms]:
    """Return structures of one to ``largest`` atoms on a jittered grid; every third one is periodic."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        size = int(rng.integers(1, largest + 1))
        positions = np.array([[2.0 * i, 0.0, 0.0] for i in range(size)]) + rng.normal(0, 0.2, (size, 3))
        atoms = Atoms(rng.choice([1, 6, 8], size), positions)
        if index % 3 == 0:
            atoms.set_cell([20.0, 8.0, 8.0])
            atoms.pbc = True
        made.append(atoms)
    return made
