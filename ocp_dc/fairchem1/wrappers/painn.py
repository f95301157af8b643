"""PaiNN (Schütt et al., arXiv 2102.03150) with a ``dc:`` block: ``dc_painn``.

Without ``direct_forces`` fairchem 1.10 takes the derivative of the sum of the last scalar features, and not that of the
energy, which a network makes of them: its forces are not -dE/dx. Wherever the ``dc:`` block asks for anything, this
wrapper derives the energy.
"""

from __future__ import annotations

from typing import Any

import torch
from fairchem.core.common.utils import conditional_grad
from fairchem.core.models.painn.painn import PaiNN, PaiNNBackbone
from torch import Tensor
from torch_geometric.utils import scatter

from ocp_dc.fairchem1.wrappers.direct_forces import forces_are_gradients, refuse_direct_forces
from ocp_dc.fairchem1.wrappers.factory import make_wrapper
from ocp_dc.fairchem1.wrappers.gemnet_t import BERNSTEIN
from ocp_dc.surgery import DCOptions, RegionTable

PAINN_REGIONS = RegionTable(
    output=(r"^out_energy\.",),
    gates=(BERNSTEIN,),
    activation_types=("ScaledSiLU",),
    source="not in arXiv 2310.01649; fairchem/core/models/painn/painn.py",
)


class EnergyGradientPaiNN(PaiNN):
    """PaiNN with forces -dE/dx; without a ``dc:`` block that asks for something, fairchem's forward untouched."""

    dc_options: DCOptions

    @property
    def force_gradients(self) -> str:
        """``exact``, or ``stock`` where forces are what fairchem computes."""
        return self.dc_options.wanted_gradients

    @conditional_grad(torch.enable_grad())
    def forward(self, data: Any) -> dict[str, Tensor]:
        """Return ``energy``, [B], and with ``regress_forces`` ``forces``, [N, 3]."""
        if self.force_gradients == "stock":
            return super().forward(data)
        # the features before the energy: the stock forward, which fairchem's backbone has in common with it
        features = PaiNNBackbone.forward(self, data)["node_embedding"]  # [N, hidden_channels]
        energy = scatter(self.out_energy(features).squeeze(1), data.batch, dim=0)  # [B]
        if not self.regress_forces:
            return {"energy": energy}
        (gradient,) = torch.autograd.grad(energy.sum(), data.pos, create_graph=True)  # [N, 3]
        return {"energy": energy, "forces": -gradient}


DCPaiNN = make_wrapper(
    "DCPaiNN",
    "dc_painn",
    PaiNN,
    PAINN_REGIONS,
    module=__name__,
    base=EnergyGradientPaiNN,
    is_conservative=lambda model: forces_are_gradients(model) and model.force_gradients == "exact",
    has_other_forces=True,
    check=refuse_direct_forces,
)
