"""ForceNet (Hu et al., arXiv 2103.01436) with a ``dc:`` block: ``dc_forcenet``."""

from __future__ import annotations

from ocp_dc.fairchem1.models.forcenet import ForceNet
from ocp_dc.fairchem1.wrappers.direct_forces import forces_are_gradients, refuse_direct_forces
from ocp_dc.fairchem1.wrappers.factory import make_wrapper
from ocp_dc.surgery import RegionTable

FORCENET_REGIONS = RegionTable(
    # lin - activation - energy_mlp turns the features of an atom into its energy
    output=(r"^activation$",),
    # in the published runs those of the filters' networks and of the networks after the convolutions as well
    paper=("",),
    source="arXiv 2310.01649, section 4; ocp_dc/fairchem1/models/forcenet.py",
)

DCForceNet = make_wrapper(
    "DCForceNet",
    "dc_forcenet",
    ForceNet,
    FORCENET_REGIONS,
    module=__name__,
    is_conservative=forces_are_gradients,
    check=refuse_direct_forces,
)
