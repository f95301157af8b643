"""GemNet-dT (Gasteiger et al., arXiv 2106.08903) with a ``dc:`` block: ``dc_gemnet_t``.

GemNet's activation is SiLU times 1/0.6, which keeps the variance of a normal input near 1. The factor is part of that
activation, so that a swap replaces it too. The fitted scale factors then scale the features; they depend on the
activations (see :mod:`ocp_dc.fairchem1.train.fit_scales`).
"""

from __future__ import annotations

from fairchem.core.models.gemnet.gemnet import GemNetT

from ocp_dc.fairchem1.wrappers.dc_model import DCModel, register
from ocp_dc.surgery import RegionTable

# softplus keeps the width of the Bernstein basis (model.rbf: {name: bernstein}) positive
BERNSTEIN = r"(^|\.)softplus$"
# the dense and the residual layers between the atoms' features and their energies; out_blocks.N.seq_energy is an alias
_OUTPUT = (r"^out_blocks\.\d+\.layers\.",)

GEMNET_T_REGIONS = RegionTable(
    output=_OUTPUT,
    paper=_OUTPUT,
    gates=(BERNSTEIN,),
    activation_types=("ScaledSiLU", "SiQU"),
    source="arXiv 2310.01649, section 4; fairchem/core/models/gemnet/layers/atom_update_block.py",
)


@register("dc_gemnet_t")
class DCGemNetT(DCModel, GemNetT):
    """GemNet-dT with a ``dc:`` block."""

    dc_regions = GEMNET_T_REGIONS
