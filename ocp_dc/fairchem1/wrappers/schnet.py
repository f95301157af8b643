"""SchNet (Schütt et al., arXiv 1706.08566) with a ``dc:`` block: ``dc_schnet``."""

from __future__ import annotations

from fairchem.core.models.schnet import SchNetWrap

from ocp_dc.fairchem1.wrappers.factory import make_wrapper
from ocp_dc.surgery import RegionTable

SCHNET_REGIONS = RegionTable(
    # lin1 - act - lin2 turns the features of an atom into its energy
    output=(r"^act$",),
    # in the published runs the filter networks', the interactions' and the output activation
    paper=("",),
    activation_types=("ShiftedSoftplus",),
    source="arXiv 2310.01649, section 4; torch_geometric/nn/models/schnet.py",
)

DCSchNet = make_wrapper(
    "DCSchNet",
    "dc_schnet",
    SchNetWrap,
    SCHNET_REGIONS,
    module=__name__,
    is_conservative=lambda model: bool(model.regress_forces),
)
