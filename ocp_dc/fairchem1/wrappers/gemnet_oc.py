"""GemNet-OC (Gasteiger et al., arXiv 2204.02782) with a ``dc:`` block: ``dc_gemnet_oc``.

As in GemNet-dT, the activation is SiLU times 1/0.6, and a swap replaces the factor too (see
:mod:`ocp_dc.fairchem1.wrappers.gemnet_t`).
"""

from __future__ import annotations

from typing import Any

import torch
from fairchem.core.models.gemnet_oc.gemnet_oc import GemNetOC
from torch import Tensor

from ocp_dc.fairchem1.graphs.edges import stored_edges
from ocp_dc.fairchem1.graphs.search import HostEdgeSearch
from ocp_dc.fairchem1.wrappers.dc_model import register
from ocp_dc.fairchem1.wrappers.native_model import NativeModel
from ocp_dc.graphs.gemnet_oc import GraphLimits
from ocp_dc.models.gemnet_oc import GEMNET_OC_REGIONS, GemNetOCPotential
from ocp_dc.models.gemnet_oc_graph import GemNetOCEdges

STORED = (6.0, 50)  # the cutoff in Å, and the most neighbors, for which fairchem expects edges that are in the data


@register("dc_gemnet_oc")
class DCGemNetOC(NativeModel, GemNetOC, GemNetOCPotential):
    """GemNet-OC with a ``dc:`` block."""

    dc_regions = GEMNET_OC_REGIONS

    def init_basis_functions(
        self,
        num_radial: int,
        num_spherical: int,
        rbf: Any,
        rbf_spherical: Any,
        envelope: Any,
        cbf: Any,
        sbf: Any,
        scale_basis: bool,
    ) -> None:
        """Build the bases as fairchem, and keep the name of that of quadruplets."""
        super().init_basis_functions(num_radial, num_spherical, rbf, rbf_spherical, envelope, cbf, sbf, scale_basis)
        self.sbf_name = sbf["name"].lower()

    def host_only_reason(self) -> str | None:
        """Return why fairchem's forward pass is needed; None if it is not."""
        if self.force_scaler.enabled:
            return "scale_backprop_forces repeats the derivative of the energy until it is finite"
        return super().host_only_reason()

    def forward(self, data: Any) -> dict[str, Tensor]:
        """Return ``energy`` [B] and, with ``regress_forces``, ``forces`` [N, 3]."""
        outputs = super().forward(data)
        return {**outputs, "energy": outputs["energy"].view(-1)} if self.uses_native else outputs

    @property
    def edge_search(self) -> HostEdgeSearch | None:
        """How the edges of the largest graph are found; None if they are stored in the data."""
        cutoff, most = self._largest
        if not (self.otf_graph or cutoff > STORED[0] or most > STORED[1]):
            return None
        return HostEdgeSearch(cutoff, most, bool(self.use_pbc), bool(self.enforce_max_neighbors_strictly))

    def find_edges(self, data: Any) -> GemNetOCEdges:
        """Return the edges of a batch, and those of each graph, as fairchem selects them."""
        if self.edge_search is None:
            stored = self.generate_graph(data, cutoff=self._largest[0], max_neighbors=self._largest[1])
            edges, found = stored_edges(stored, data), STORED
        else:
            edges, found = super().find_edges(data), self._largest
        limits = GraphLimits(
            self._largest,
            main=(self.cutoff, self.max_neighbors),
            mixed=(self.cutoff_aeaint, self.max_neighbors_aeaint),
            inner=(self.cutoff_qint, self.max_neighbors_qint),
            strict=bool(self.enforce_max_neighbors_strictly),
        )
        is_inner = torch.isin(data.tags, self.qint_tags.to(data.tags.device)) if self.quad_interaction else None
        return limits.select(edges, data.pos, found, is_inner)

    @property
    def _largest(self) -> tuple[float, int]:
        """The cutoff, in Å, and the most neighbors of the largest graph."""
        if self.atom_edge_interaction or self.edge_atom_interaction or self.atom_interaction:
            return self.cutoff_aint, self.max_neighbors_aint
        return self.cutoff, self.max_neighbors
