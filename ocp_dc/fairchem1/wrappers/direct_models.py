"""SCN, eSCN and EquiformerV2 with a ``dc:`` block: ``dc_scn``, ``dc_escn`` and ``dc_equiformer_v2``.

They predict forces beside the energy, and detach the rotations that align features with edges: no gradient of the
energy is there to be constrained. A ``dc:`` block needs ``allow_direct: true``, and changes activations and norms only.
"""

from __future__ import annotations

from typing import Any

from fairchem.core.models.equiformer_v2.equiformer_v2_deprecated import EquiformerV2
from fairchem.core.models.escn.escn import eSCN
from fairchem.core.models.scn.scn import SphericalChannelNetwork

from ocp_dc.fairchem1.wrappers.factory import make_wrapper
from ocp_dc.surgery import RegionTable

SCN_REGIONS = RegionTable(
    # one object for the layers behind energy and forces, which stand in the model itself
    output=(r"^act$",),
    source="fairchem/core/models/scn/scn.py",
)

ESCN_REGIONS = RegionTable(
    output=(r"^(energy|force)_block\.act$",),
    source="fairchem/core/models/escn/escn.py",
)

# of equiformer_v2/layer_norm.py and esen/nn/layer_norm.py; they scale each degree of the spherical features
EQUIVARIANT_NORMS = (
    "EquivariantLayerNormArray",
    "EquivariantLayerNormArraySphericalHarmonics",
    "EquivariantRMSNormArraySphericalHarmonics",
    "EquivariantRMSNormArraySphericalHarmonicsV2",
)

EQUIFORMER_V2_REGIONS = RegionTable(
    # The force block is an attention, whose radial network and attention weights count as well. A separable S2
    # activation has no gate: its scalars and its grid both go through hidden activations. Where use_gate_act is set,
    # the gates are Sigmoid modules, which no region reaches.
    output=(r"^(energy|force)_block\.",),
    activation_types=("SmoothLeakyReLU",),
    norm_types=EQUIVARIANT_NORMS,
    source="fairchem/core/models/equiformer_v2/{equiformer_v2_deprecated,transformer_block,activation}.py",
)


def _why_direct(model: Any) -> str:
    return "it predicts them directly and detaches its rotations, so that its energy has no gradient"


DCSCN = make_wrapper(
    "DCSCN",
    "dc_scn",
    SphericalChannelNetwork,
    SCN_REGIONS,
    module=__name__,
    is_conservative=lambda model: False,
    why_direct=_why_direct,
)

DCeSCN = make_wrapper(
    "DCeSCN",
    "dc_escn",
    eSCN,
    ESCN_REGIONS,
    module=__name__,
    is_conservative=lambda model: False,
    why_direct=_why_direct,
)

DCEquiformerV2 = make_wrapper(
    "DCEquiformerV2",
    "dc_equiformer_v2",
    EquiformerV2,
    EQUIFORMER_V2_REGIONS,
    module=__name__,
    is_conservative=lambda model: False,
    why_direct=_why_direct,
)
