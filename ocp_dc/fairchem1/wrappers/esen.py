"""eSEN (Fu et al., arXiv 2502.12147) with a ``dc:`` block: ``dc_esen``.

Fairchem has eSEN only as parts of a hydra. This wrapper builds the hydra of eSEN's backbone and energy-and-force head
from the arguments of the backbone. Parameters, checkpoints and paths are those of ``dc_hydra`` with these parts.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from fairchem.core.models.esen.esen import eSEN_Backbone

from ocp_dc.core.options import check_keys
from ocp_dc.fairchem1.wrappers.dc_model import register
from ocp_dc.fairchem1.wrappers.hydra import DCHydra

# the head computes forces as a gradient whatever the backbone's direct_forces is
_PARAMETERS = [p for p in inspect.signature(eSEN_Backbone).parameters.values() if p.name != "direct_forces"]


@register("dc_esen")
class DCeSEN(DCHydra):
    """The hydra of ``esen_backbone`` and ``esen_mlp_efs_head``; its arguments are the backbone's, and ``dc``."""

    def __init__(self, *, dc: Mapping[str, Any] | None = None, **backbone: Any) -> None:
        check_keys(backbone, [*(p.name for p in _PARAMETERS), "dc"], "model (dc_esen)")
        super().__init__(
            backbone={"model": "esen_backbone", "direct_forces": False, **backbone},
            heads={"energy_and_forces": {"module": "esen_mlp_efs_head"}},
            otf_graph=backbone.get("otf_graph", False),
            pass_through_head_outputs=True,
            dc=dc,
        )

    __init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY),
            *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in _PARAMETERS),
            inspect.Parameter("dc", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="dict | None"),
        ]
    )
