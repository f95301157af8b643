"""The region tables of the models that come with fairchem 2, and which of their heads predict forces directly.

Paths are those of fairchem's ``HydraModel``: ``backbone...`` and ``output_heads.NAME...``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from fairchem.core.models.allscaip.AllScAIP import (
    AllScAIPBackbone,
    AllScAIPEnergyHead,
    AllScAIPGradientEnergyForceStressHead,
)
from fairchem.core.models.escaip.EScAIP import (
    EScAIPBackbone,
    EScAIPEnergyHead,
    EScAIPGradientEnergyForceStressHead,
)
from fairchem.core.models.uma.escn_md import (
    Linear_Energy_Head,
    MLP_EFS_Head,
    MLP_Energy_Head,
    eSCNMDBackbone,
)

from ocp_dc.fairchem2.heads import GradientHead
from ocp_dc.surgery import RegionTable

HEADS = r"^output_heads\."
# the norms of eSCN-MD, by `norm_type`; each contains no torch norm
EQUIVARIANT_NORMS = (
    "EquivariantLayerNormArray",
    "EquivariantLayerNormArraySphericalHarmonics",
    "EquivariantRMSNormArraySphericalHarmonics",
    "EquivariantRMSNormArraySphericalHarmonicsV2",
)
# Gates in eSCN-MD's mixture of experts: the router decides how much each expert contributes, and `act` is not called.
# The sigmoids of its gate activation are in no region anyway.
ESCNMD = RegionTable(
    output=(HEADS,),
    gates=(r"^backbone\.routing_mlp\.", r"^backbone\.act$"),
    norm_types=EQUIVARIANT_NORMS,
    source="fairchem/core/models/uma/escn_md.py",
)
# activations of EScAIP and AllScAIP that torch does not have, by `activation`
_OWN_ACTIVATIONS = ("SmeLU", "SquaredReLU", "StarReLU")
ESCAIP = RegionTable(
    output=(HEADS, r"^backbone\.output_projection\."),
    activation_types=_OWN_ACTIVATIONS,
    norm_types=("RMSNorm",),
    source="fairchem/core/models/escaip/EScAIP.py",
)
ALLSCAIP = RegionTable(
    output=(HEADS,),
    activation_types=_OWN_ACTIVATIONS,
    norm_types=("RMSNorm",),
    source="fairchem/core/models/allscaip/AllScAIP.py",
)
# the first class that fits counts
_TABLES: tuple[tuple[type, RegionTable], ...] = (
    (eSCNMDBackbone, ESCNMD),
    (EScAIPBackbone, ESCAIP),
    (AllScAIPBackbone, ALLSCAIP),
)
# Heads that predict only energies, and heads whose forces are the gradient of their energy.
_ENERGY_HEADS: tuple[type, ...] = (MLP_Energy_Head, Linear_Energy_Head, EScAIPEnergyHead, AllScAIPEnergyHead)
_GRADIENT_HEADS: tuple[type, ...] = (
    MLP_EFS_Head,
    EScAIPGradientEnergyForceStressHead,
    AllScAIPGradientEnergyForceStressHead,
    GradientHead,
)


@dataclasses.dataclass(frozen=True)
class Regions:
    """A region table, and a note for the report if the model is not known."""

    table: RegionTable
    note: str | None = None


def regions_of(backbone: Any) -> Regions:
    """Return the regions of a backbone: its own ``dc_regions``, the table of its class, or the heads alone."""
    own = getattr(backbone, "dc_regions", None)
    if own is not None:
        return Regions(own)
    for kind, table in _TABLES:
        if isinstance(backbone, kind):
            return Regions(table)
    name = f"{type(backbone).__module__}.{type(backbone).__qualname__}"
    note = (
        f"note: {name} has no table of regions; output and paper are the heads, full is every activation, gates "
        "included. Check the list below, or give the class an attribute dc_regions = RegionTable(...)"
    )
    return Regions(RegionTable(output=(HEADS,), source=name), note)


def why_direct(model: Any) -> str | None:
    """Return why the forces of a hydra are not derivatives of its energy; None if they are, or if there are none."""
    backbone = model.backbone
    config = getattr(backbone, "regress_config", backbone)
    if getattr(config, "direct_forces", False):
        return "its backbone has direct_forces: true"
    for name, head in model.output_heads.items():
        inner = _inner_head(head)
        known = isinstance(inner, (*_ENERGY_HEADS, *_GRADIENT_HEADS)) or getattr(inner, "conservative", False)
        if not known:
            return (
                f"output_heads.{name} ({type(inner).__name__}) does not take them as the gradient of the energy, or is "
                "not known to (a head of yours says so with an attribute conservative = True)"
            )
    return None


def is_conservative(model: Any) -> bool:
    """Return whether a hydra predicts forces, and they are the gradient of its energy."""
    config = getattr(model.backbone, "regress_config", model.backbone)
    forces = bool(getattr(config, "forces", getattr(config, "regress_forces", False)))
    heads = [_inner_head(head) for head in model.output_heads.values()]
    gradient = any(isinstance(head, _GRADIENT_HEADS) or getattr(head, "conservative", False) for head in heads)
    exact = getattr(getattr(model.backbone, "potential", None), "has_exact_gradients", True)
    return forces and gradient and exact and why_direct(model) is None


def _inner_head(head: Any) -> Any:
    """Return the head inside fairchem's wrappers, which give each data set a head."""
    return getattr(head, "head", head)
