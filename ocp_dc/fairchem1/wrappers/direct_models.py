"""SCN, eSCN and EquiformerV2 with a ``dc:`` block: ``dc_scn``, ``dc_escn`` and ``dc_equiformer_v2``.

They predict forces directly, and detach the rotations that align features with edges, so that there is no gradient of
the energy to constrain. A ``dc:`` block needs ``allow_direct: true``, and changes activations and norms only.
"""

from __future__ import annotations

from fairchem.core.models.equiformer_v2.equiformer_v2_deprecated import EquiformerV2
from fairchem.core.models.escn.escn import eSCN
from fairchem.core.models.scn.scn import SphericalChannelNetwork

from ocp_dc.fairchem1.wrappers.dc_model import DCModel, register
from ocp_dc.surgery import RegionTable
from ocp_dc.surgery.direct_forces import DirectOptions, check_direct

# from equiformer_v2/layer_norm.py and esen/nn/layer_norm.py; they scale each degree of the spherical features
EQUIVARIANT_NORMS = (
    "EquivariantLayerNormArray",
    "EquivariantLayerNormArraySphericalHarmonics",
    "EquivariantRMSNormArraySphericalHarmonics",
    "EquivariantRMSNormArraySphericalHarmonicsV2",
)


class _DirectModel(DCModel):
    """A wrapper of a model that always predicts forces directly."""

    dc_options_class = DirectOptions
    dc_options: DirectOptions

    @property
    def conservative(self) -> bool:
        """Return False: the forces are not the gradient of the energy."""
        return False

    def check_dc(self) -> None:
        """Refuse a block that changes anything without ``allow_direct``; raises UserError."""
        reason = "it predicts them directly and detaches its rotations, so that its energy has no gradient"
        check_direct(self.dc_options, reason, self.registered_name)


@register("dc_scn")
class DCSCN(_DirectModel, SphericalChannelNetwork):
    """SCN with a ``dc:`` block."""

    dc_regions = RegionTable(
        # one object for the layers before energy and forces, an attribute of the model
        output=(r"^act$",),
        source="fairchem/core/models/scn/scn.py",
    )


@register("dc_escn")
class DCeSCN(_DirectModel, eSCN):
    """eSCN with a ``dc:`` block."""

    dc_regions = RegionTable(
        output=(r"^(energy|force)_block\.act$",),
        source="fairchem/core/models/escn/escn.py",
    )


@register("dc_equiformer_v2")
class DCEquiformerV2(_DirectModel, EquiformerV2):
    """EquiformerV2 with a ``dc:`` block."""

    dc_regions = RegionTable(
        # The force block is an attention; its radial network and attention weights are in the region. A separable S2
        # activation has no gate: its scalars and its grid both go through hidden activations. If use_gate_act is
        # set, the gates are Sigmoid modules, which are in no region.
        output=(r"^(energy|force)_block\.",),
        activation_types=("SmoothLeakyReLU",),
        norm_types=EQUIVARIANT_NORMS,
        source="fairchem/core/models/equiformer_v2/{equiformer_v2_deprecated,transformer_block,activation}.py",
    )
