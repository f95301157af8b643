"""PaiNN (Schütt et al., arXiv 2102.03150) as a backbone."""

from __future__ import annotations

from ocp_dc.fairchem2.backbones.scaled import ScaledBackbone
from ocp_dc.models.painn import PAINN_REGIONS, PaiNN


class PaiNNBackbone(ScaledBackbone):
    """PaiNN; see :class:`ocp_dc.models.painn.PaiNN` for its arguments. Forces are -dE/dx."""

    potential_class = PaiNN
    dc_regions = PAINN_REGIONS
