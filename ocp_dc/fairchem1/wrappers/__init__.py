"""The registered models with a ``dc:`` block: those of fairchem, and two that it removed."""

from ocp_dc.fairchem1.wrappers.cgcnn import DCCGCNN
from ocp_dc.fairchem1.wrappers.dimenetplusplus import DCDimeNetPlusPlus
from ocp_dc.fairchem1.wrappers.direct_models import DCSCN, DCEquiformerV2, DCeSCN
from ocp_dc.fairchem1.wrappers.esen import DCeSEN
from ocp_dc.fairchem1.wrappers.forcenet import DCForceNet
from ocp_dc.fairchem1.wrappers.gemnet_oc import DCGemNetOC
from ocp_dc.fairchem1.wrappers.gemnet_t import DCGemNetT
from ocp_dc.fairchem1.wrappers.gp_gemnet_t import DCGPGemNetT
from ocp_dc.fairchem1.wrappers.hydra import DCHydra
from ocp_dc.fairchem1.wrappers.painn import DCPaiNN
from ocp_dc.fairchem1.wrappers.schnet import DCSchNet

__all__ = [
    "DCCGCNN",
    "DCSCN",
    "DCDimeNetPlusPlus",
    "DCEquiformerV2",
    "DCForceNet",
    "DCGPGemNetT",
    "DCGemNetOC",
    "DCGemNetT",
    "DCHydra",
    "DCPaiNN",
    "DCSchNet",
    "DCeSCN",
    "DCeSEN",
]
