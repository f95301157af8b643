"""The registered models: fairchem's own with a ``dc:`` block."""

from ocp_dc.fairchem1.wrappers.dimenetplusplus import DCDimeNetPlusPlus
from ocp_dc.fairchem1.wrappers.gemnet_oc import DCGemNetOC
from ocp_dc.fairchem1.wrappers.gemnet_t import DCGemNetT
from ocp_dc.fairchem1.wrappers.gp_gemnet_t import DCGPGemNetT
from ocp_dc.fairchem1.wrappers.painn import DCPaiNN
from ocp_dc.fairchem1.wrappers.schnet import DCSchNet

__all__ = ["DCDimeNetPlusPlus", "DCGPGemNetT", "DCGemNetOC", "DCGemNetT", "DCPaiNN", "DCSchNet"]
