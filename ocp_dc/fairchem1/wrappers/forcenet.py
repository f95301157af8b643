"""ForceNet (Hu et al., arXiv 2103.01436) with a ``dc:`` block: ``dc_forcenet``."""

from __future__ import annotations

from typing import Any

from ocp_dc.fairchem1.models.forcenet import ForceNet
from ocp_dc.fairchem1.wrappers.dc_model import register
from ocp_dc.fairchem1.wrappers.native_model import NativeModel
from ocp_dc.models.forcenet import FORCENET_REGIONS
from ocp_dc.models.graph import EdgeGraph


@register("dc_forcenet")
class DCForceNet(NativeModel, ForceNet):
    """ForceNet with a ``dc:`` block."""

    dc_regions = FORCENET_REGIONS

    def find_edges(self, data: Any) -> EdgeGraph:
        """Return the edges of a batch; raises UserError for an element that the model does not support."""
        return self.graph(data)
