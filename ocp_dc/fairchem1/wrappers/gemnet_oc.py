"""GemNet-OC (Gasteiger et al., arXiv 2204.02782) with a ``dc:`` block: ``dc_gemnet_oc``.

As in GemNet-dT, the activation is SiLU times 1/0.6, and a swap replaces the factor too (see
:mod:`ocp_dc.fairchem1.wrappers.gemnet_t`).
"""

from __future__ import annotations

from fairchem.core.models.gemnet_oc.gemnet_oc import GemNetOC

from ocp_dc.fairchem1.wrappers.dc_model import DCModel, register
from ocp_dc.fairchem1.wrappers.gemnet_t import BERNSTEIN
from ocp_dc.surgery import RegionTable


@register("dc_gemnet_oc")
class DCGemNetOC(DCModel, GemNetOC):
    """GemNet-OC with a ``dc:`` block."""

    dc_regions = RegionTable(
        # in each output block the layers before and after adding the atom embedding, then the global layers;
        # out_blocks.N.seq_energy_pre is an alias. One expression, since num_output_afteratom may be 0
        output=(r"^(out_blocks\.\d+\.(layers|seq_energy2)|out_mlp_E)\.",),
        gates=(BERNSTEIN,),
        activation_types=("ScaledSiLU",),
        source="not in arXiv 2310.01649; fairchem/core/models/gemnet_oc/layers/atom_update_block.py",
    )
