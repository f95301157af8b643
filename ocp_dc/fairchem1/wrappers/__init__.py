"""The registered models: fairchem's own with a ``dc:`` block."""

from ocp_dc.fairchem1.wrappers.dimenetplusplus import DCDimeNetPlusPlus
from ocp_dc.fairchem1.wrappers.direct import DCSCN, DCEquiformerV2, DCeSCN
from ocp_dc.fairchem1.wrappers.esen import DCeSEN
from ocp_dc.fairchem1.wrappers.gemnet_t import DCGemNetT
from ocp_dc.fairchem1.wrappers.hydra import DCHydra
from ocp_dc.fairchem1.wrappers.schnet import DCSchNet

__all__ = ["DCSCN", "DCDimeNetPlusPlus", "DCEquiformerV2", "DCGemNetT", "DCHydra", "DCSchNet", "DCeSCN", "DCeSEN"]
