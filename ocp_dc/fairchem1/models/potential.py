"""What the models here share: edges by fairchem's graph code, energies per structure, forces by differentiation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from fairchem.core.models.base import GraphModelMixin
from torch import Tensor, nn

from ocp_dc.models.graph import EdgeGraph


class Potential(nn.Module, GraphModelMixin, ABC):
    """A model whose forces are -dE/dx. The graph is found apart from energies and forces.

    Args:
        use_pbc: whether boundaries are periodic.
        regress_forces: whether forces are predicted as well.
        otf_graph: whether edges are found here, or come with the data.
        cutoff: of the edges, in Å.
        max_neighbors: the most edges that end at one atom; the nearest are kept.
    """

    generate_graph: Callable[[Any], Any]  # GraphModelMixin's, which is untyped
    use_pbc_single = False  # fairchem's way of building the edges of one structure at a time

    def __init__(self, use_pbc: bool, regress_forces: bool, otf_graph: bool, cutoff: float, max_neighbors: int) -> None:
        super().__init__()
        self.use_pbc = use_pbc
        self.regress_forces = regress_forces
        self.otf_graph = otf_graph
        self.cutoff = cutoff
        self.max_neighbors = max_neighbors

    def forward(self, data: Any) -> dict[str, Tensor]:
        """Return ``energy`` [B, 1] and, where asked for, ``forces`` [N, 3] of a batch.

        Forces can be differentiated again where the caller's gradients are on. With BatchNorm in training mode the
        energy of a structure depends on the whole batch, and so do its forces.
        """
        if not self.regress_forces:
            return {"energy": self.energy(data.atomic_numbers.long(), data.pos, self.graph(data))}
        data.pos.requires_grad_(True)
        graph = self.graph(data)
        create_graph = torch.is_grad_enabled()
        with torch.enable_grad():
            energy = self.energy(data.atomic_numbers.long(), data.pos, graph)
            gradient = torch.autograd.grad(energy.sum(), data.pos, create_graph=create_graph)[0]
        return {"energy": energy, "forces": -gradient}

    @torch.no_grad()
    def graph(self, data: Any) -> EdgeGraph:
        """Find the edges of a batch, as fairchem does; positions must not change in between.

        Raises:
            UserError: the model knows nothing of an element.
        """
        self.check_elements(data.atomic_numbers.long())
        found = self.generate_graph(data)
        source, target = found.edge_index
        return EdgeGraph(source, target, found.offset_distances, data.batch, len(data.natoms))

    @abstractmethod
    def check_elements(self, numbers: Tensor) -> None:
        """Refuse elements that the model knows nothing of; raises UserError."""

    @abstractmethod
    def energy(self, numbers: Tensor, positions: Tensor, graph: EdgeGraph) -> Tensor:
        """Return the energy of each structure, [B, 1].

        Args:
            numbers: int64 [N], atomic numbers.
            positions: [N, 3], in Å.
            graph: the edges.
        """
