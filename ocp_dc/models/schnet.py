"""SchNet (Schütt et al., arXiv 1706.08566), with arguments and parameters named as in torch_geometric's SchNet."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.potential import Potential
from ocp_dc.models.scatter import scatter_mean, scatter_sum


class SchNetPotential(Potential[EdgeGraph]):
    """The energy of SchNet as a function of its parts, which a subclass builds: ours, or a host's SchNet.

    Attributes:
        embedding: atomic number -> features of an atom.
        distance_expansion: Gaussians, with ``offset`` and ``coeff``.
        interactions: blocks with ``mlp``, ``conv.lin1``, ``conv.lin2``, ``act`` and ``lin``.
        lin1, act, lin2: the network that turns the features of an atom into its energy.
    """

    cutoff: float
    embedding: Any
    distance_expansion: Any
    interactions: Any
    lin1: Any
    act: Any
    lin2: Any

    def build_graph(self, edges: EdgeGraph) -> EdgeGraph:
        """Return the edges."""
        return edges

    def energy(self, numbers: Tensor, positions: Tensor, graph: EdgeGraph, *, first_order: bool = False) -> Tensor:
        """Return the energy of each structure, [B, 1]; see :meth:`Potential.energy`."""
        distances = graph.vectors(positions).norm(dim=-1)  # [E]
        basis = torch.exp(
            self.distance_expansion.coeff * (distances[:, None] - self.distance_expansion.offset).square()
        )
        envelope = 0.5 * (torch.cos(distances * math.pi / self.cutoff) + 1.0)
        x = self.embedding(numbers)  # [N, hidden_channels]
        for block in self.interactions:
            filters = block.mlp(basis) * envelope[:, None]  # [E, num_filters]
            messages = block.conv.lin1(x).index_select(0, graph.source) * filters
            x = x + block.lin(block.act(block.conv.lin2(scatter_sum(messages, graph.target, len(x)))))
        atoms = self.lin2(self.act(self.lin1(x)))  # [N, 1]
        pool = scatter_mean if self.reduce == "mean" else scatter_sum
        return pool(atoms, graph.batch, graph.count)
