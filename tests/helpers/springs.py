"""A calculator of ASE that costs microseconds."""

from __future__ import annotations

import numpy as np
from ase.calculators.calculator import Calculator, all_changes


class Springs(Calculator):
    """Harmonic springs between all pairs of atoms; one evaluation takes microseconds.

    Args:
        stiffness: in eV/Å².
        length: of each spring at rest, in Å.
        fails_at: the number of the evaluation that raises ``error``.
        error: what it raises.
    """

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - as ase declares it

    def __init__(
        self, stiffness: float = 5.0, length: float = 1.0, fails_at: int = -1, error: Exception | None = None
    ) -> None:
        super().__init__()
        self.stiffness, self.length, self.fails_at, self.error, self.calls = stiffness, length, fails_at, error, 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        if self.calls == self.fails_at:
            raise self.error or RuntimeError("the machine was switched off")
        vectors = self.atoms.positions[:, None] - self.atoms.positions[None]  # [N, N, 3]
        distances = np.linalg.norm(vectors, axis=-1) + np.eye(len(self.atoms))  # [N, N]
        stretched = (distances - self.length) * (1 - np.eye(len(self.atoms)))
        self.results = {
            "energy": float(0.25 * self.stiffness * (stretched**2).sum()),
            "forces": -self.stiffness * (vectors * (stretched / distances)[..., None]).sum(axis=1),
        }
