"""SchNet (Schütt et al., arXiv 1706.08566) with a ``dc:`` block: ``dc_schnet``."""

from __future__ import annotations

from fairchem.core.models.schnet import SchNetWrap

from ocp_dc.fairchem1.wrappers.dc_model import DCModel, register
from ocp_dc.surgery import RegionTable


@register("dc_schnet")
class DCSchNet(DCModel, SchNetWrap):
    """SchNet with a ``dc:`` block."""

    dc_regions = RegionTable(
        # lin1 - act - lin2 turns the features of an atom into its energy
        output=(r"^act$",),
        # the published runs swap the activations of the filter networks, of the interactions and of the output
        paper=("",),
        activation_types=("ShiftedSoftplus",),
        source="arXiv 2310.01649, section 4; torch_geometric/nn/models/schnet.py",
    )
