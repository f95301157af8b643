"""ForceNet (Hu et al., arXiv 2103.01436) with a ``dc:`` block: ``dc_forcenet``."""

from __future__ import annotations

from typing import Any

from ocp_dc.fairchem1.models.forcenet import ForceNet
from ocp_dc.fairchem1.wrappers.dc_model import register
from ocp_dc.fairchem1.wrappers.native_model import NativeModel
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.surgery import RegionTable


@register("dc_forcenet")
class DCForceNet(NativeModel, ForceNet):
    """ForceNet with a ``dc:`` block."""

    dc_regions = RegionTable(
        # lin - activation - energy_mlp turns the features of an atom into its energy
        output=(r"^activation$",),
        # the published runs also swap those of the filter networks and of the networks after the convolutions
        paper=("",),
        source="arXiv 2310.01649, section 4; ocp_dc/models/forcenet.py",
    )

    def find_edges(self, data: Any) -> EdgeGraph:
        """Return the edges of a batch; raises UserError for an element that the model does not support."""
        return self.graph(data)
