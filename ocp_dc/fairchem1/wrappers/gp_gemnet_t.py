"""Graph-parallel GemNet-dT with a ``dc:`` block: ``dc_gp_gemnet_t``.

The same network as :mod:`ocp_dc.fairchem1.wrappers.gemnet_t`, its edges spread over the ranks of ``--gp-gpus``. Energy
gradients need one rank: fairchem's model stops with an AttributeError on several, where only direct forces work.
"""

from __future__ import annotations

from typing import Any

from fairchem.core.common import gp_utils
from fairchem.core.models.gemnet_gp.gemnet import GraphParallelGemNetT

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.wrappers.direct_forces import forces_are_gradients, refuse_direct_forces
from ocp_dc.fairchem1.wrappers.factory import make_wrapper
from ocp_dc.fairchem1.wrappers.gemnet_t import GEMNET_T_REGIONS


def _check(model: Any) -> None:
    """Refuse direct forces, and a graph that is spread over several ranks.

    Raises:
        UserError: energy and forces cannot be a function and its derivative there.
    """
    refuse_direct_forces(model)
    if (ranks := gp_utils.get_gp_world_size()) > 1:
        raise UserError(
            f"--gp-gpus: got {ranks} together with a dc: block; fairchem's gp_gemnet_t cannot derive its energy across "
            "ranks; give --gp-gpus 1 or leave it out, and use the ranks for data (--num-gpus)"
        )


DCGPGemNetT = make_wrapper(
    "DCGPGemNetT",
    "dc_gp_gemnet_t",
    GraphParallelGemNetT,
    GEMNET_T_REGIONS,
    module=__name__,
    is_conservative=forces_are_gradients,
    check=_check,
)
