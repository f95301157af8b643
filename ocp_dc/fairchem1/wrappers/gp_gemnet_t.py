"""Graph-parallel GemNet-dT with a ``dc:`` block: ``dc_gp_gemnet_t``.

The network is :mod:`ocp_dc.fairchem1.wrappers.gemnet_t`, with edges distributed over the ranks of ``--gp-gpus``.
Energy gradients need one rank: on several, fairchem's model raises an AttributeError, and only direct forces work.
"""

from __future__ import annotations

from fairchem.core.common import gp_utils
from fairchem.core.models.gemnet_gp.gemnet import GraphParallelGemNetT

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.wrappers.dc_model import DCModel, register
from ocp_dc.models.gemnet_t import GEMNET_T_REGIONS


@register("dc_gp_gemnet_t")
class DCGPGemNetT(DCModel, GraphParallelGemNetT):
    """Graph-parallel GemNet-dT with a ``dc:`` block."""

    dc_regions = GEMNET_T_REGIONS

    def check_dc(self) -> None:
        """Refuse direct forces, and a graph that is distributed over several ranks.

        Raises:
            UserError: the forces cannot be the derivatives of the energy.
        """
        super().check_dc()
        if not self.dc_options.is_stock and (ranks := gp_utils.get_gp_world_size()) > 1:
            raise UserError(
                f"--gp-gpus: got {ranks} together with a dc: block; fairchem's gp_gemnet_t cannot derive its energy "
                "across ranks; give --gp-gpus 1 or leave it out, and use the ranks for data (--num-gpus)"
            )
