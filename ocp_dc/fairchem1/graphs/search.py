"""The search for the edges of a batch with the settings of a model of fairchem 1.10."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from fairchem.core.models import base
from torch import Tensor

from ocp_dc.fallbacks.radius import radius_graph
from ocp_dc.graphs.search import Edges, EdgeSearch, squared_lengths


@dataclass(frozen=True)
class HostEdgeSearch(EdgeSearch):
    """A search that uses a compiled ``radius_graph`` where one is installed."""

    @classmethod
    def of(cls, model: Any) -> HostEdgeSearch:
        """Return the search of a model of fairchem, as its ``generate_graph`` does it."""
        strict = getattr(model, "enforce_max_neighbors_strictly", True)
        return cls(model.cutoff, model.max_neighbors, bool(model.use_pbc), bool(strict))

    def open_edges(self, positions: Tensor, natoms: Tensor) -> tuple[Edges, Tensor]:
        """Return the edges without periodic boundaries, and their squared lengths."""
        if base.radius_graph is radius_graph:
            return super().open_edges(positions, natoms)
        # a compiled one may keep others of too many neighbors
        batch = torch.repeat_interleave(natoms)
        source, target = base.radius_graph(positions, self.cutoff, batch, max_num_neighbors=self.max_neighbors)
        squared = squared_lengths(positions.index_select(0, source) - positions.index_select(0, target))  # [P]
        near = squared <= self.cutoff * self.cutoff
        return Edges(source, target, None).select(near), squared[near]
