"""GemNet-OC (Gasteiger et al., arXiv 2204.02782) with a ``dc:`` block: ``dc_gemnet_oc``.

As in GemNet-dT the activation is SiLU times 1/0.6, and the factor goes with it (see
:mod:`ocp_dc.fairchem1.wrappers.gemnet_t`).
"""

from __future__ import annotations

from fairchem.core.models.gemnet_oc.gemnet_oc import GemNetOC

from ocp_dc.fairchem1.wrappers.direct_forces import forces_are_gradients, refuse_direct_forces
from ocp_dc.fairchem1.wrappers.factory import make_wrapper
from ocp_dc.fairchem1.wrappers.gemnet_t import BERNSTEIN
from ocp_dc.surgery import RegionTable

GEMNET_OC_REGIONS = RegionTable(
    # in each output block the layers before and after the atom embedding is added, then the global ones;
    # out_blocks.N.seq_energy_pre is an alias. One expression, since num_output_afteratom may be 0
    output=(r"^(out_blocks\.\d+\.(layers|seq_energy2)|out_mlp_E)\.",),
    gates=(BERNSTEIN,),
    activation_types=("ScaledSiLU",),
    source="not in arXiv 2310.01649; fairchem/core/models/gemnet_oc/layers/atom_update_block.py",
)

DCGemNetOC = make_wrapper(
    "DCGemNetOC",
    "dc_gemnet_oc",
    GemNetOC,
    GEMNET_OC_REGIONS,
    module=__name__,
    is_conservative=forces_are_gradients,
    check=refuse_direct_forces,
)
