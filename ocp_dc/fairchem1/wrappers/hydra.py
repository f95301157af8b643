"""Fairchem's ``hydra``, a backbone with heads, with a ``dc:`` block: ``dc_hydra``.

Surgery changes both, at paths such as ``backbone.blocks.0.act`` and ``output_heads.NAME.energy_block.1``.
"""

from __future__ import annotations

from fairchem.core.models.base import HydraModel
from fairchem.core.models.dimenet_plus_plus import DimeNetPlusPlusWrapBackbone, DimeNetPlusPlusWrapEnergyAndForceHead
from fairchem.core.models.equiformer_v2.equiformer_v2 import EquiformerV2Backbone
from fairchem.core.models.equiformer_v2.heads import EqV2ScalarHead
from fairchem.core.models.escn.escn import eSCNBackbone, eSCNEnergyHead
from fairchem.core.models.esen.esen import MLP_EFS_Head, MLP_Energy_Head
from fairchem.core.models.gemnet.gemnet import GemNetTBackbone, GemNetTEnergyAndGradForceHead
from fairchem.core.models.gemnet_oc.gemnet_oc import GemNetOCBackbone, GemNetOCEnergyAndGradForceHead
from fairchem.core.models.painn.painn import PaiNNEnergyHead

from ocp_dc.fairchem1.wrappers.dc_model import DCModel, register
from ocp_dc.fairchem1.wrappers.direct_models import EQUIVARIANT_NORMS
from ocp_dc.models.gemnet_basis import BERNSTEIN
from ocp_dc.surgery import RegionTable
from ocp_dc.surgery.direct_forces import DirectOptions, check_direct

_HEADS = r"^output_heads\."
# the output region of backbones with output blocks; for other backbones it is the heads
_OUTPUT: dict[type, tuple[str, ...]] = {
    DimeNetPlusPlusWrapBackbone: (r"^backbone\.output_blocks\.\d+\.act$",),  # its head only sums and differentiates
    GemNetTBackbone: (r"^backbone\.out_blocks\.\d+\.layers\.",),  # its heads too
    GemNetOCBackbone: (r"^backbone\.out_blocks\.\d+\.(layers|seq_energy2)\.", _HEADS),
}
# Heads that predict only energies, and heads whose forces are the gradient of their energy. PaiNN's force head is in
# neither: with direct_forces off, it differentiates the features.
_ENERGY_HEADS = (EqV2ScalarHead, eSCNEnergyHead, MLP_Energy_Head, PaiNNEnergyHead)
_GRADIENT_HEADS = (
    DimeNetPlusPlusWrapEnergyAndForceHead,
    GemNetOCEnergyAndGradForceHead,
    GemNetTEnergyAndGradForceHead,
    MLP_EFS_Head,
)


@register("dc_hydra")
class DCHydra(DCModel, HydraModel):
    """A hydra with a ``dc:`` block; its regions, and whether it is conservative, depend on its parts."""

    dc_options_class = DirectOptions
    dc_options: DirectOptions

    @property
    def dc_regions(self) -> RegionTable:
        """The regions; ``output`` is the output blocks of the backbone if it has any, else the heads."""
        found = [output for backbone, output in _OUTPUT.items() if isinstance(self.backbone, backbone)]
        return RegionTable(
            output=found[0] if found else (_HEADS,),
            gates=(BERNSTEIN,),
            activation_types=("SiQU", "SmoothLeakyReLU"),
            norm_types=EQUIVARIANT_NORMS,
            source="fairchem/core/models/base.py",
        )

    @property
    def conservative(self) -> bool:
        """Return whether the model predicts forces that are the gradient of its energy."""
        return takes_gradients(self)

    def why_direct(self) -> str | None:
        """Return why the forces are not derivatives of the energy; None if they are, or if there are none."""
        return why_direct(self)

    def check_dc(self) -> None:
        """Refuse a block that changes direct forces without ``allow_direct``; raises UserError."""
        check_direct(self.dc_options, self.why_direct(), self.registered_name)


def takes_gradients(model: HydraModel) -> bool:
    """Return whether a hydra predicts forces that are the gradient of its energy."""
    return why_direct(model) is None and any(
        isinstance(head, _GRADIENT_HEADS) and head.regress_forces and not getattr(head, "direct_forces", False)
        for head in model.output_heads.values()
    )


def why_direct(model: HydraModel) -> str | None:
    """Return why the forces of a hydra are not derivatives of its energy; None if they are, or if there are none."""
    if isinstance(model.backbone, (eSCNBackbone, EquiformerV2Backbone)):
        return "its backbone detaches the rotations, so that the energy has no gradient"
    if isinstance(model.backbone, DimeNetPlusPlusWrapBackbone):
        return "its backbone detaches the angles; dc_dimenetplusplus differentiates through them"
    for name, head in model.output_heads.items():
        if not isinstance(head, (*_ENERGY_HEADS, *_GRADIENT_HEADS)):
            return f"output_heads.{name} ({type(head).__name__}) does not take them as the gradient of the energy"
    return None
