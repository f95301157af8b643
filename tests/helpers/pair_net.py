"""A small potential that is not ours, as somebody else would write one for fairchem; CONTRIBUTING.md wraps it."""

from __future__ import annotations

from typing import Any

import torch
from fairchem.core.common.registry import registry
from fairchem.core.models.base import GraphModelMixin
from torch import Tensor, nn


@registry.register_model("pair_net")
class PairNet(nn.Module, GraphModelMixin):
    """Sums of filtered features over the neighbors of an atom, and a readout."""

    def __init__(
        self,
        features: int = 16,
        cutoff: float = 6.0,
        use_pbc: bool = True,
        otf_graph: bool = True,
        max_neighbors: int = 50,
        regress_forces: bool = True,
    ) -> None:
        super().__init__()
        self.cutoff, self.max_neighbors = cutoff, max_neighbors
        self.use_pbc, self.use_pbc_single, self.otf_graph = use_pbc, False, otf_graph
        self.regress_forces = regress_forces
        self.embedding = nn.Embedding(100, features)
        self.filter = nn.Sequential(nn.Linear(1, features), nn.SiLU(), nn.Linear(features, features))
        self.gate = nn.Sigmoid()
        self.readout = nn.Sequential(nn.Linear(features, features), nn.SiLU(), nn.Linear(features, 1))

    @torch.enable_grad()
    def forward(self, data: Any) -> dict[str, Tensor]:
        """Return ``energy`` [B, 1] and ``forces`` [N, 3]."""
        data.pos.requires_grad_(True)
        graph = self.generate_graph(data)
        source, target = graph.edge_index
        distances = (data.pos[source] - data.pos[target] + graph.offset_distances.detach()).norm(dim=1, keepdim=True)
        x = self.embedding(data.atomic_numbers.long())
        messages = x[source] * self.filter(distances) * (1 - distances / self.cutoff).square()
        x = x * self.gate(torch.zeros_like(x).index_add(0, target, messages))
        energy = x.new_zeros(len(data.natoms), 1).index_add(0, data.batch, self.readout(x))
        if not self.regress_forces:
            return {"energy": energy}
        return {"energy": energy, "forces": -torch.autograd.grad(energy.sum(), data.pos, create_graph=True)[0]}
