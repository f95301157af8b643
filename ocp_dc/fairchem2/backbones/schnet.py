"""SchNet (Schütt et al., arXiv 1706.08566) as a backbone."""

from __future__ import annotations

from typing import Any

from ocp_dc.fairchem2.backbones.native import NativeBackbone
from ocp_dc.models.schnet import MOST_NEIGHBORS, SCHNET_REGIONS, SchNet


class SchNetBackbone(NativeBackbone):
    """SchNet; see :class:`ocp_dc.models.schnet.SchNet` for its arguments.

    Args:
        use_pbc: see :class:`NativeBackbone`.
        max_neighbors: how many of the nearest neighbors of each atom are kept; as in fairchem 1.10, the default is 50,
            and 32 without ``use_pbc``.
        arguments: see :class:`NativeBackbone`.
    """

    potential_class = SchNet
    dc_regions = SCHNET_REGIONS

    def __init__(self, *, use_pbc: bool = True, max_neighbors: int | None = None, **arguments: Any) -> None:
        most = (50 if use_pbc else MOST_NEIGHBORS) if max_neighbors is None else max_neighbors
        super().__init__(use_pbc=use_pbc, max_neighbors=most, **arguments)
