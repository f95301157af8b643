"""The base class of the potentials: energies from numbers, positions and a graph, and forces by differentiation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Graph = TypeVar("Graph")  # edges for some models, edges and triplets or more for others


class Potential(nn.Module, ABC, Generic[Graph]):
    """A function of (numbers, positions, graph), whose forces are -dE/dx unless a model says otherwise.

    It depends on no data format: a host finds the graph and defines ``forward`` for its batches.

    Attributes:
        regress_forces: whether the model predicts forces as well.
        direct_forces: whether a separate output predicts forces instead of the gradient of the energy.
    """

    regress_forces: bool
    direct_forces: bool = False

    @abstractmethod
    def energy(self, numbers: Tensor, positions: Tensor, graph: Graph) -> Tensor:
        """Return the energy of each structure, [B, 1].

        Args:
            numbers: int64 [N], atomic numbers.
            positions: [N, 3], in Å.
            graph: the graph of the batch; it carries no gradient.
        """

    def energy_and_forces(self, numbers: Tensor, positions: Tensor, graph: Graph) -> tuple[Tensor, Tensor]:
        """Return the energy of each structure, [B, 1], and the forces on the atoms, [N, 3].

        Forces can be differentiated again if gradients are enabled. With BatchNorm in training mode the energy of a
        structure depends on the whole batch, and so do its forces.

        Args:
            numbers: int64 [N], atomic numbers.
            positions: [N, 3], in Å.
            graph: the graph of the batch.
        """
        create_graph = torch.is_grad_enabled()
        with torch.enable_grad():
            if not positions.requires_grad:
                positions = positions.detach().requires_grad_()
            energy = self.energy(numbers, positions, graph)
            gradient = torch.autograd.grad(energy.sum(), positions, create_graph=create_graph)[0]
        return energy, -gradient

    def check_elements(self, numbers: Tensor) -> None:
        """Refuse elements that the model does not support; raises UserError."""
