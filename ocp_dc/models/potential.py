"""The base class of the potentials: energies from numbers, positions and a graph, and forces by differentiation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import UserError
from ocp_dc.models.graph import EdgeGraph, edges_of, graph_of_atoms
from ocp_dc.models.strain import strained

Graph = TypeVar("Graph")  # edges for some models, edges and triplets or more for others


class Potential(nn.Module, ABC, Generic[Graph]):
    """A function of (numbers, positions, graph), whose forces are -dE/dx unless a model says otherwise.

    It depends on no data format: a host finds the edges and defines ``forward`` for its batches.

    Energies have two forms with the same value. The full form is differentiable by the positions as often as wanted.
    The first-order form has the first derivative by the positions only, which is all that forces and a loss of forces
    need, and is faster: a basis B(d) of the distances d is replaced by B + (d - d.detach()) B', with B' in closed form.

    Attributes:
        cutoff: the longest edge, in Å.
        regress_forces: whether the model predicts forces as well.
        direct_forces: whether a separate output predicts forces instead of the gradient of the energy.
    """

    cutoff: float
    regress_forces: bool
    direct_forces: bool = False

    @abstractmethod
    def build_graph(self, edges: EdgeGraph) -> Graph:
        """Return the graph of the model from the edges within its cutoff; call it without gradients."""

    @abstractmethod
    def energy(self, numbers: Tensor, positions: Tensor, graph: Graph, *, first_order: bool = False) -> Tensor:
        """Return the energy of each structure, [B, 1].

        Args:
            numbers: int64 [N], atomic numbers.
            positions: [N, 3], in Å.
            graph: the graph of the batch; it carries no gradient.
            first_order: use the form without higher derivatives by the positions.
        """

    @property
    def has_exact_gradients(self) -> bool:
        """Whether the derivatives of the energy are exact; a model that can leave a part of them out says so."""
        return True

    @property
    def has_atomic_energies(self) -> bool:
        """Whether the energy is a sum over the atoms, of one term for each; a model with such an energy says so."""
        return False

    def atomic_energies(self, numbers: Tensor, positions: Tensor, graph: Graph) -> Tensor:
        """Return the term of each atom in the energy, [N], which depends on the atoms around it.

        Args:
            numbers: int64 [N], atomic numbers.
            positions: [N, 3], in Å.
            graph: the graph of the batch.

        Raises:
            UserError: the energy is no such sum.
        """
        if not self.has_atomic_energies:
            raise UserError("the energy of this model is not a sum over the atoms, so that they have no energies")
        return self.energy(numbers, positions, graph_of_atoms(graph))[:, 0]

    def energy_and_forces(self, numbers: Tensor, positions: Tensor, graph: Graph) -> tuple[Tensor, Tensor]:
        """Return the energy of each structure, [B, 1], and the forces on the atoms, [N, 3].

        If gradients are enabled, both are differentiable by the parameters. They are differentiable by the positions,
        as often as wanted, only if ``positions`` requires a gradient; otherwise the first-order form is used, and
        torch raises an error for such a derivative. With BatchNorm in training mode the energy of a structure depends
        on the whole batch, and so do its forces.

        Args:
            numbers: int64 [N], atomic numbers.
            positions: [N, 3], in Å.
            graph: the graph of the batch.
        """
        create_graph = torch.is_grad_enabled()
        first_order = not positions.requires_grad
        with torch.enable_grad():
            if first_order:
                positions = positions.detach().requires_grad_()
            energy = self.energy(numbers, positions, graph, first_order=first_order)
            gradient = torch.autograd.grad(energy.sum(), positions, create_graph=create_graph)[0]
        return (energy if create_graph else energy.detach()), -gradient

    def energy_forces_and_virial(
        self, numbers: Tensor, positions: Tensor, graph: Graph
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return energies [B, 1], forces [N, 3] and the virial of each structure, [B, 3, 3].

        The virial is dE/dε, in eV, for the symmetric strain ε that moves each point x to x + x ε; the stress is the
        virial divided by the volume. See :meth:`energy_and_forces` for derivatives of the results.

        Args:
            numbers: int64 [N], atomic numbers.
            positions: [N, 3], in Å.
            graph: the graph of the batch.
        """
        create_graph = torch.is_grad_enabled()
        first_order = not positions.requires_grad
        with torch.enable_grad():
            if first_order:
                positions = positions.detach().requires_grad_()
            strain = positions.new_zeros(edges_of(graph).count, 3, 3, requires_grad=True)
            moved, moved_graph = strained(positions, graph, (strain + strain.mT) / 2)
            energy = self.energy(numbers, moved, moved_graph, first_order=first_order)
            gradient, virial = torch.autograd.grad(energy.sum(), (positions, strain), create_graph=create_graph)
        return (energy if create_graph else energy.detach()), -gradient, virial

    def check_elements(self, numbers: Tensor) -> None:
        """Refuse elements that the model does not support; raises UserError."""
