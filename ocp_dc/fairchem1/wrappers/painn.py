"""PaiNN (Schütt et al., arXiv 2102.03150) with a ``dc:`` block: ``dc_painn``.

Without ``direct_forces`` fairchem 1.10 differentiates the sum of the last scalar features instead of the energy, which
a network computes from them: its forces are not -dE/dx. If the ``dc:`` block changes anything, this wrapper
differentiates the energy.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import torch
from fairchem.core.common.utils import conditional_grad
from fairchem.core.models.painn.painn import PaiNN, PaiNNBackbone
from torch import Tensor
from torch_geometric.utils import scatter

from ocp_dc.core.options import option
from ocp_dc.fairchem1.wrappers.dc_model import register
from ocp_dc.fairchem1.wrappers.gradient_options import GradientOptions
from ocp_dc.fairchem1.wrappers.native_model import NativeModel
from ocp_dc.models.painn import PAINN_REGIONS, PaiNNPotential


@dataclasses.dataclass(frozen=True)
class PaiNNOptions(GradientOptions):
    """The ``dc:`` block of PaiNN."""

    gradient_key: ClassVar[str] = "force_gradients"
    not_for_others: ClassVar[str] = (
        "the forces of {name} are derivatives of its energy already, so that the key means nothing here; remove it"
    )

    force_gradients: str | None = option(
        None,
        help="PaiNN only, whose stock forces are not derivatives of its energy: exact or stock; exact if the block "
        "changes anything",
        choices=("exact", "stock"),
    )


@register("dc_painn")
class DCPaiNN(NativeModel, PaiNN, PaiNNPotential):
    """PaiNN with a ``dc:`` block and forces -dE/dx; fairchem's forward if the block changes nothing."""

    dc_regions = PAINN_REGIONS
    dc_options_class = PaiNNOptions
    dc_options: PaiNNOptions

    @property
    def conservative(self) -> bool:
        """Return whether the model predicts forces that are the gradient of its energy."""
        return super().conservative and self.force_gradients == "exact"

    @property
    def force_gradients(self) -> str:
        """``exact``, or ``stock`` if forces are computed as in fairchem."""
        return self.dc_options.resolved_gradients

    def host_only_reason(self) -> str | None:
        """Return why fairchem's forward pass is needed, which is the only one with its stock forces."""
        if self.force_gradients == "stock":
            return "its forces are fairchem's, which are not derivatives of its energy"
        return super().host_only_reason()

    def forward(self, data: Any) -> dict[str, Tensor]:
        """Return ``energy`` [B] and, with ``regress_forces``, ``forces`` [N, 3]."""
        if self.force_gradients == "exact" and not self.uses_native:
            return self._host_forward(data)
        outputs = super().forward(data)
        return {**outputs, "energy": outputs["energy"].view(-1)}

    @conditional_grad(torch.enable_grad())
    def _host_forward(self, data: Any) -> dict[str, Tensor]:
        # the features before the energy; fairchem's backbone has the same forward pass up to there
        features = PaiNNBackbone.forward(self, data)["node_embedding"]  # [N, hidden_channels]
        energy = scatter(self.out_energy(features).squeeze(1), data.batch, dim=0)  # [B]
        if not self.regress_forces:
            return {"energy": energy}
        (gradient,) = torch.autograd.grad(energy.sum(), data.pos, create_graph=True)  # [N, 3]
        return {"energy": energy, "forces": -gradient}
