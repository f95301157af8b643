"""SchNet (Schütt et al., arXiv 1706.08566) with a ``dc:`` block: ``dc_schnet``."""

from __future__ import annotations

from fairchem.core.models.schnet import SchNetWrap

from ocp_dc.fairchem1.graphs.search import HostEdgeSearch
from ocp_dc.fairchem1.wrappers.dc_model import register
from ocp_dc.fairchem1.wrappers.native_model import NativeModel
from ocp_dc.models.schnet import MOST_NEIGHBORS, READOUTS, SCHNET_REGIONS, SchNetPotential


@register("dc_schnet")
class DCSchNet(NativeModel, SchNetWrap, SchNetPotential):
    """SchNet with a ``dc:`` block."""

    dc_regions = SCHNET_REGIONS

    def host_only_reason(self) -> str | None:
        """Return why the native model cannot compute this model's outputs; None if it can."""
        if self.reduce not in READOUTS:
            return f"readout is {self.reduce!r}, and not one of {', '.join(READOUTS)}"
        return super().host_only_reason()

    @property
    def edge_search(self) -> HostEdgeSearch | None:
        """How the edges of a batch are found; without periodic boundaries, as torch_geometric's SchNet finds them."""
        if self.use_pbc:
            return super().edge_search
        return HostEdgeSearch(self.cutoff, MOST_NEIGHBORS, periodic=False)
