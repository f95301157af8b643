"""A trained potential in float64, for many geometries of one molecule at a time, and for a calculator of ASE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from ase import Atoms

from ocp_dc.evaluation.predictor import Arrays
from ocp_dc.graphs.search import edge_graph
from ocp_dc.interfaces.trained import load_trained

MOST_STRUCTURES = 250  # of a batch


class Float64Potential:
    """Energies and forces of a checkpoint for geometries of one molecule, in float64 from positions to results.

    Args:
        checkpoint: the checkpoint of either fairchem.
        numbers: [N], the atomic numbers of the molecule.
        dtype: another precision, to measure what it costs.
    """

    def __init__(self, checkpoint: Path, numbers: np.ndarray, dtype: torch.dtype = torch.float64) -> None:
        trained = load_trained(checkpoint)
        self._potential, self._search, self._dtype = trained.potential.to(dtype), trained.search, dtype
        self._numbers = torch.from_numpy(np.asarray(numbers, dtype=np.int64))
        self._saved, self._offset = trained.saved, float(trained.references[self._numbers].sum())

    def predict(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return energies [B] in eV and forces [B, N, 3] in eV/Å of geometries [B, N, 3] in Å."""
        parts = [
            self._batch(positions[start : start + MOST_STRUCTURES])
            for start in range(0, len(positions), MOST_STRUCTURES)
        ]
        return np.concatenate([energies for energies, _ in parts]), np.concatenate([forces for _, forces in parts])

    def forces(self, positions: np.ndarray) -> np.ndarray:
        """Return the forces alone; see :meth:`predict`."""
        return self.predict(positions)[1]

    def _batch(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count, natoms = positions.shape[:2]
        batch = SimpleNamespace(
            pos=torch.from_numpy(positions.reshape(-1, 3)).to(self._dtype),  # [B * N, 3]
            natoms=torch.full((count,), natoms),
            batch=torch.arange(count).repeat_interleave(natoms),  # [B * N]
        )
        with torch.no_grad():
            graph = self._potential.build_graph(edge_graph(self._search.find(batch), batch))
            energies, forces = self._potential.energy_and_forces(self._numbers.repeat(count), batch.pos, graph)
        of_energy, of_forces = self._saved.energy, self._saved.forces
        energies = energies[:, 0].double() * of_energy.scale + of_energy.mean + self._offset  # [B]
        forces = forces.double() * of_forces.scale + of_forces.mean
        return energies.numpy(), forces.numpy().reshape(positions.shape)


class Float64Predictor:
    """A :class:`Float64Potential` as a predictor of :class:`ocp_dc.evaluation.calculator.PotentialCalculator`."""

    properties = ("energy", "forces")

    def __init__(self, potential: Float64Potential) -> None:
        self._potential = potential

    def predict(self, structures: Sequence[Atoms], energies: bool = False) -> Arrays:
        """Return the energies [B] in eV and the forces [B * N, 3] in eV/Å."""
        found, forces = self._potential.predict(np.stack([atoms.positions for atoms in structures]))
        return {"energy": found, "forces": forces.reshape(-1, 3)}
