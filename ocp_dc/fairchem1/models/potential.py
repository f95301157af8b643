"""Potentials of :mod:`ocp_dc.models` on fairchem's batches; fairchem's graph code finds the edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from fairchem.core.models.base import GraphModelMixin
from torch import Tensor

from ocp_dc.fairchem1.train.model_boundaries import periodic_directions
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.potential import Potential
from ocp_dc.models.strain import stresses


class GraphPotential(Potential[EdgeGraph], GraphModelMixin):
    """A potential that finds its edges in a batch; a model derives from this class and from the potential itself."""

    generate_graph: Callable[[Any], Any]  # a method of GraphModelMixin, which is untyped
    cutoff: float
    regress_stress = False  # see ocp_dc.fairchem1.wrappers.stress
    use_pbc_single = False  # fairchem's way of building the edges of one structure at a time

    def set_graph_options(self, use_pbc: bool, otf_graph: bool, max_neighbors: int) -> None:
        """Set the attributes that fairchem's graph code reads.

        Args:
            use_pbc: whether boundaries are periodic.
            otf_graph: whether the model finds the edges; if not, they come with the data.
            max_neighbors: the largest number of edges that end at one atom; the nearest are kept.
        """
        self.use_pbc = use_pbc
        self.otf_graph = otf_graph
        self.max_neighbors = max_neighbors

    def forward(self, data: Any) -> dict[str, Tensor]:
        """Return ``energy`` [B, 1] and, as the model says, ``forces`` [N, 3] and ``stress`` [B, 9] of a batch."""
        numbers = data.atomic_numbers.long()
        if not self.regress_forces:
            return {"energy": self.energy(numbers, data.pos, self.graph(data))}
        if not self.direct_forces:
            data.pos.requires_grad_(True)
        if self.regress_stress:
            energy, forces, virial = self.energy_forces_and_virial(numbers, data.pos, self.graph(data))
            return {
                "energy": energy,
                "forces": forces,
                "stress": stresses(virial, data.cell, periodic_directions(data)).flatten(1),
            }
        energy, forces = self.energy_and_forces(numbers, data.pos, self.graph(data))
        return {"energy": energy, "forces": forces}

    @torch.no_grad()
    def graph(self, data: Any) -> EdgeGraph:
        """Find the edges of a batch, as fairchem does; it is valid for these positions only.

        Raises:
            UserError: the model does not support an element.
        """
        self.check_elements(data.atomic_numbers.long())
        found = self.generate_graph(data)
        source, target = found.edge_index
        return EdgeGraph(source, target, found.offset_distances, found.cell_offsets, data.batch, data.natoms)
