"""What the models here share: edges by fairchem's graph code, energies per structure, forces by differentiation."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any

import torch
from fairchem.core.models.base import GraphModelMixin
from torch import Tensor, nn

from ocp_dc.errors import UserError


@dataclasses.dataclass(frozen=True)
class EdgeGraph:
    """Edges j -> i of a batch. No gradient flows through it: it says who interacts with whom.

    Args:
        source: int64 [E], the atom j of each edge.
        target: int64 [E], the atom i of each edge.
        offsets: [E, 3], what periodic boundaries add to pos[j] - pos[i], in Å.
        batch: int64 [N], the structure of each atom.
        count: the number of structures, B.
    """

    source: Tensor
    target: Tensor
    offsets: Tensor
    batch: Tensor
    count: int

    def vectors(self, positions: Tensor) -> Tensor:
        """Return the vector from the target to the source of each edge, [E, 3], in Å."""
        return positions.index_select(0, self.source) - positions.index_select(0, self.target) + self.offsets


class Potential(nn.Module, GraphModelMixin, ABC):
    """A model whose forces are -dE/dx. The graph is found apart from energies and forces.

    Args:
        use_pbc: whether boundaries are periodic.
        regress_forces: whether forces are predicted as well.
        otf_graph: whether edges are found here, or come with the data.
        cutoff: of the edges, in Å.
        max_neighbors: the most edges that end at one atom; the nearest are kept.
    """

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


def check_sizes(smallest: int, **sizes: int) -> None:
    """Refuse sizes of a model that make no model.

    Args:
        smallest: the smallest size that does.
        sizes: the model's arguments by name.

    Raises:
        UserError: one is no whole number, or too small.
    """
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < smallest:
            raise UserError(f"model.{name}: got {size!r}, expected a whole number, at least {smallest}")
