"""The registered models: fairchem's own, and two that it dropped, with a ``dc:`` block."""

from ocp_dc.fairchem1.wrappers.cgcnn import DCCGCNN
from ocp_dc.fairchem1.wrappers.dimenetplusplus import DCDimeNetPlusPlus
from ocp_dc.fairchem1.wrappers.forcenet import DCForceNet
from ocp_dc.fairchem1.wrappers.gemnet_oc import DCGemNetOC
from ocp_dc.fairchem1.wrappers.gemnet_t import DCGemNetT
from ocp_dc.fairchem1.wrappers.gp_gemnet_t import DCGPGemNetT
from ocp_dc.fairchem1.wrappers.painn import DCPaiNN
from ocp_dc.fairchem1.wrappers.schnet import DCSchNet

__all__ = [
    "DCCGCNN",
    "DCDimeNetPlusPlus",
    "DCForceNet",
    "DCGPGemNetT",
    "DCGemNetOC",
    "DCGemNetT",
    "DCPaiNN",
    "DCSchNet",
]
