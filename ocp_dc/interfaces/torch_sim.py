"""Trained potentials as models of torch-sim: dynamics and relaxations of many structures at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch_sim.models.interface import ModelInterface
from torch_sim.state import SimState

from ocp_dc.core.errors import UserError
from ocp_dc.graphs.search import edge_graph
from ocp_dc.interfaces.trained import load_trained
from ocp_dc.models.elements import SYMBOLS
from ocp_dc.models.strain import stresses


class TorchSimModel(ModelInterface):
    """A checkpoint of fairchem 1 or 2 as a model of torch-sim, without either.

    States and results are in float64; the network computes in the precision of its training, float32.

    Args:
        checkpoint: a checkpoint of a SchNet, PaiNN, DimeNet++ or GemNet-dT; it is read as data.
        device: None for a GPU if there is one.
        compute_forces: return forces.
        compute_stress: return the stress, dE/dε divided by the volume.

    Raises:
        UserError: the file is missing, damaged or hostile, or its model needs fairchem.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        device: torch.device | str | None = None,
        compute_forces: bool = True,
        compute_stress: bool = True,
    ) -> None:
        super().__init__()
        trained = load_trained(checkpoint)
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._dtype = torch.float64
        self._compute_forces, self._compute_stress = compute_forces, compute_stress
        self._memory_scales_with = "n_atoms_x_density"
        self.search, self.saved = trained.search, trained.saved
        self.potential = trained.potential.to(self._device)
        self.references = trained.references.to(self._device)

    def forward(self, state: SimState, **_: Any) -> dict[str, Tensor]:
        """Return ``energy`` [B] in eV, ``forces`` [N, 3] in eV/Å and ``stress`` [B, 3, 3] in eV/Å³.

        Args:
            state: B structures with N atoms in all.
            _: nothing; torch-sim passes options of other models.

        Raises:
            UserError: the potential was not trained for an element.
        """
        numbers, structure = state.atomic_numbers.long(), state.system_idx
        cells = state.row_vector_cell.detach()  # [B, 3, 3]
        pbc = torch.as_tensor(state.pbc, device=self._device).expand(len(cells), 3)
        energies, forces, virials = self._predict(numbers, state.positions, cells, pbc, structure)
        references = self.references[numbers]  # [N]
        if not bool(references.isfinite().all()):
            unknown = numbers[~references.isfinite()].unique().tolist()
            names = ", ".join(SYMBOLS[number] for number in unknown)
            raise UserError(f"the potential was not trained for {names}; use structures without")
        of_energy, of_forces = self.saved.energy, self.saved.forces
        totals = energies.double() * of_energy.scale + of_energy.mean
        results = {"energy": totals.index_add(0, structure, references)}
        if self._compute_forces:
            results["forces"] = forces.double() * of_forces.scale + of_forces.mean
        if self._compute_stress:
            results["stress"] = stresses(virials.double() * of_energy.scale, cells.double(), pbc)
        return results

    def _predict(
        self, numbers: Tensor, positions: Tensor, cells: Tensor, pbc: Tensor, structure: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return energies [B], forces [N, 3] and virials [B, 3, 3] in the units of the network."""
        dtype = next(self.potential.parameters()).dtype
        with torch.no_grad():
            batch = SimpleNamespace(
                pos=positions.detach().to(dtype),
                cell=cells.to(dtype),
                pbc=pbc,
                natoms=torch.bincount(structure, minlength=len(cells)),
                batch=structure,
            )
            graph = self.potential.build_graph(edge_graph(self.search.find(batch), batch))
            if not self._compute_stress:
                energies, forces = self.potential.energy_and_forces(numbers, batch.pos, graph)
                return energies[:, 0], forces, torch.zeros_like(cells)
            energies, forces, virials = self.potential.energy_forces_and_virial(numbers, batch.pos, graph)
            return energies[:, 0], forces, virials
