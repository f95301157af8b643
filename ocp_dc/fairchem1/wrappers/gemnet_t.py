"""GemNet-dT (Gasteiger et al., arXiv 2106.08903) with a ``dc:`` block: ``dc_gemnet_t``.

GemNet's activation is SiLU times 1/0.6, which keeps the variance of a normal input near 1. The factor is part of that
activation, so that a swap replaces it too. The fitted scale factors then scale the features; they depend on the
activations (see :mod:`ocp_dc.fairchem1.train.fit_scales`).
"""

from __future__ import annotations

import math
from typing import Any

from fairchem.core.models.gemnet.gemnet import GemNetT

from ocp_dc.fairchem1.wrappers.dc_model import register
from ocp_dc.fairchem1.wrappers.native_model import NativeModel
from ocp_dc.models.gemnet_t import GEMNET_T_REGIONS, GemNetTPotential
from ocp_dc.models.graph import EdgeGraph


@register("dc_gemnet_t")
class DCGemNetT(NativeModel, GemNetT, GemNetTPotential):
    """GemNet-dT with a ``dc:`` block."""

    dc_regions = GEMNET_T_REGIONS

    def find_edges(self, data: Any) -> EdgeGraph:
        """Return the edges of a batch as fairchem's ``generate_interaction_graph`` selects them."""
        edges = super().find_edges(data)
        # edges found for another cutoff may be longer; fairchem expects that of OC20's, which is 6 Å
        if self.otf_graph or math.isclose(self.cutoff, 6.0, rel_tol=1e-5):
            return edges
        return edges.select(edges.vectors(data.pos).norm(dim=-1) <= self.cutoff)
