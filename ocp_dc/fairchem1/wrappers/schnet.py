"""SchNet (Schütt et al., arXiv 1706.08566) with a ``dc:`` block: ``dc_schnet``."""

from __future__ import annotations

from fairchem.core.models.schnet import SchNetWrap

from ocp_dc.fairchem1.graphs.search import EdgeSearch
from ocp_dc.fairchem1.wrappers.dc_model import register
from ocp_dc.fairchem1.wrappers.native_model import NativeModel
from ocp_dc.models.schnet import READOUTS, SchNetPotential
from ocp_dc.surgery import RegionTable

MOST_NEIGHBORS = 32  # the default of torch_geometric's SchNet, which fairchem does not change


@register("dc_schnet")
class DCSchNet(NativeModel, SchNetWrap, SchNetPotential):
    """SchNet with a ``dc:`` block."""

    dc_regions = RegionTable(
        # lin1 - act - lin2 turns the features of an atom into its energy
        output=(r"^act$",),
        # the published runs swap the activations of the filter networks, of the interactions and of the output
        paper=("",),
        activation_types=("ShiftedSoftplus",),
        source="arXiv 2310.01649, section 4; torch_geometric/nn/models/schnet.py",
    )

    def host_only_reason(self) -> str | None:
        """Return why the native model cannot compute this model's outputs; None if it can."""
        if self.reduce not in READOUTS:
            return f"readout is {self.reduce!r}, and not one of {', '.join(READOUTS)}"
        return super().host_only_reason()

    @property
    def edge_search(self) -> EdgeSearch | None:
        """How the edges of a batch are found; without periodic boundaries, as torch_geometric's SchNet finds them."""
        if self.use_pbc:
            return super().edge_search
        return EdgeSearch(self.cutoff, MOST_NEIGHBORS, periodic=False)
