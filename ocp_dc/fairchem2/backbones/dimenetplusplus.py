"""DimeNet++ (Gasteiger et al., arXiv 2011.14115) as a backbone."""

from __future__ import annotations

from ocp_dc.fairchem2.backbones.native import NativeBackbone
from ocp_dc.models.dimenetplusplus import DIMENETPLUSPLUS_REGIONS, DimeNetPlusPlus


class DimeNetPlusPlusBackbone(NativeBackbone):
    """DimeNet++; see :class:`ocp_dc.models.dimenetplusplus.DimeNetPlusPlus` for its arguments.

    Forces are -dE/dx, unlike in fairchem 1.10, unless ``angle_gradients`` is ``stock``: for checkpoints of fairchem
    1.10 that were trained with forces whose angles carry no gradient.
    """

    potential_class = DimeNetPlusPlus
    dc_regions = DIMENETPLUSPLUS_REGIONS
