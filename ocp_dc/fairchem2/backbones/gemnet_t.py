"""GemNet-dT (Gasteiger et al., arXiv 2106.08903) as a backbone."""

from __future__ import annotations

from ocp_dc.fairchem2.backbones.scaled import ScaledBackbone
from ocp_dc.models.gemnet_t import GEMNET_T_REGIONS, GemNetT


class GemNetTBackbone(ScaledBackbone):
    """GemNet-dT; see :class:`ocp_dc.models.gemnet_t.GemNetT` for its arguments."""

    potential_class = GemNetT
    dc_regions = GEMNET_T_REGIONS
