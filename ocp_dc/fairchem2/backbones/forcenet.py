"""ForceNet (Hu et al., arXiv 2103.01436) as a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairchem.core.datasets.embeddings import ATOMIC_RADII, CONTINUOUS_EMBEDDINGS

from ocp_dc.fairchem2.backbones.native import NativeBackbone
from ocp_dc.models.forcenet import FORCENET_REGIONS, ForceNet

RADII = {number: [radius / 100] for number, radius in ATOMIC_RADII.items()}  # pm to Å


class ForceNetBackbone(NativeBackbone):
    """ForceNet; see :class:`ocp_dc.models.forcenet.ForceNet` for its arguments.

    Forces are -dE/dx; with ``direct_forces: true`` a decoder predicts them, as in the original, and there is no stress.
    """

    potential_class = ForceNet
    dc_regions = FORCENET_REGIONS
    built_arguments = ("radii", "properties")

    def build_potential(self, arguments: Mapping[str, Any]) -> ForceNet:
        """Return the potential with fairchem's radii and properties of the elements."""
        return ForceNet(RADII, CONTINUOUS_EMBEDDINGS, **arguments)
