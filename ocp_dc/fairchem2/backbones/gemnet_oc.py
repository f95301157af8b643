"""GemNet-OC (Gasteiger et al., arXiv 2204.02782) as a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.backbones.scaled import ScaledBackbone
from ocp_dc.graphs.gemnet_oc import GraphLimits
from ocp_dc.graphs.search import EdgeSearch
from ocp_dc.models.gemnet_oc import GEMNET_OC_REGIONS, GemNetOC
from ocp_dc.models.gemnet_oc_graph import GemNetOCEdges

if TYPE_CHECKING:
    from fairchem.core.datasets.atomic_data import AtomicData


class GemNetOCBackbone(ScaledBackbone):
    """GemNet-OC; see :class:`ocp_dc.models.gemnet_oc.GemNetOC` for its arguments.

    Args:
        max_neighbors: how many of the nearest neighbors of each atom are kept, in the graph of edges with features.
        max_neighbors_qint: the same for the middle edges of quadruplets; None for ``max_neighbors``.
        max_neighbors_aeaint: the same for edges between atoms and edges; None for ``max_neighbors``.
        max_neighbors_aint: the same for edges between atoms; None for the largest of the others.
        enforce_max_neighbors_strictly: whether the limits also hold among neighbors at nearly the same distance.
        qint_tags: the tags of which an atom of each middle edge of quadruplets has one.
        arguments: see :class:`ScaledBackbone`.

    Raises:
        UserError: ``max_neighbors_aint`` is less than another limit.
    """

    potential_class = GemNetOC
    potential: GemNetOC
    dc_regions = GEMNET_OC_REGIONS

    def __init__(
        self,
        *,
        max_neighbors: int = 50,
        max_neighbors_qint: int | None = None,
        max_neighbors_aeaint: int | None = None,
        max_neighbors_aint: int | None = None,
        enforce_max_neighbors_strictly: bool = True,
        qint_tags: Sequence[int] = (0, 1, 2),
        **arguments: Any,
    ) -> None:
        super().__init__(max_neighbors=max_neighbors, **arguments)
        model = self.potential
        mixed = model.atom_edge_interaction or model.edge_atom_interaction
        inner_limit = max_neighbors_qint if model.quad_interaction and max_neighbors_qint else max_neighbors
        mixed_limit = max_neighbors_aeaint if mixed and max_neighbors_aeaint else max_neighbors
        most = max(max_neighbors, inner_limit, mixed_limit)
        largest = max_neighbors_aint if model.atom_interaction and max_neighbors_aint else most
        if largest < most:
            raise UserError(
                f"model.backbone.max_neighbors_aint: got {largest}, expected at least the other limits, {most}"
            )
        main = (model.cutoff, max_neighbors)
        self.limits = GraphLimits(
            (model.cutoff_aint, largest) if mixed or model.atom_interaction else main,
            main,
            mixed=(model.cutoff_aeaint, mixed_limit),
            inner=(model.cutoff_qint, inner_limit),
            strict=enforce_max_neighbors_strictly,
        )
        self.qint_tags = tuple(qint_tags)

    @property
    def edge_search(self) -> EdgeSearch:
        """How the edges of the largest graph are found."""
        return EdgeSearch(*self.limits.largest, self.use_pbc, self.limits.strict)

    def find_edges(self, data: AtomicData) -> GemNetOCEdges:
        """Return the edges of a batch, and those of each graph."""
        edges = super().find_edges(data)
        is_inner = None
        if self.potential.quad_interaction:
            is_inner = torch.isin(data.tags, data.tags.new_tensor(self.qint_tags))
        return self.limits.select(edges, data.pos, self.limits.largest, is_inner)
