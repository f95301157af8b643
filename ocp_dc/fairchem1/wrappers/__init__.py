"""The registered models with a ``dc:`` block: those of fairchem, and two that it removed.

A wrapper is imported when its class, or its registered name, is first used: with all of them, and the models of
fairchem from which they derive, a command would start seconds later.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocp_dc.fairchem1.wrappers.cgcnn import DCCGCNN
    from ocp_dc.fairchem1.wrappers.dimenetplusplus import DCDimeNetPlusPlus
    from ocp_dc.fairchem1.wrappers.direct_models import DCSCN, DCEquiformerV2, DCeSCN
    from ocp_dc.fairchem1.wrappers.esen import DCeSEN
    from ocp_dc.fairchem1.wrappers.forcenet import DCForceNet
    from ocp_dc.fairchem1.wrappers.gemnet_oc import DCGemNetOC
    from ocp_dc.fairchem1.wrappers.gemnet_t import DCGemNetT
    from ocp_dc.fairchem1.wrappers.gp_gemnet_t import DCGPGemNetT
    from ocp_dc.fairchem1.wrappers.hydra import DCHydra
    from ocp_dc.fairchem1.wrappers.painn import DCPaiNN
    from ocp_dc.fairchem1.wrappers.schnet import DCSchNet

__all__ = [
    "DCCGCNN",
    "DCSCN",
    "DCDimeNetPlusPlus",
    "DCEquiformerV2",
    "DCForceNet",
    "DCGPGemNetT",
    "DCGemNetOC",
    "DCGemNetT",
    "DCHydra",
    "DCPaiNN",
    "DCSchNet",
    "DCeSCN",
    "DCeSEN",
]

# registered name -> module in this folder, class
WRAPPERS = {
    "dc_cgcnn": ("cgcnn", "DCCGCNN"),
    "dc_dimenetplusplus": ("dimenetplusplus", "DCDimeNetPlusPlus"),
    "dc_equiformer_v2": ("direct_models", "DCEquiformerV2"),
    "dc_escn": ("direct_models", "DCeSCN"),
    "dc_esen": ("esen", "DCeSEN"),
    "dc_forcenet": ("forcenet", "DCForceNet"),
    "dc_gemnet_oc": ("gemnet_oc", "DCGemNetOC"),
    "dc_gemnet_t": ("gemnet_t", "DCGemNetT"),
    "dc_gp_gemnet_t": ("gp_gemnet_t", "DCGPGemNetT"),
    "dc_hydra": ("hydra", "DCHydra"),
    "dc_painn": ("painn", "DCPaiNN"),
    "dc_schnet": ("schnet", "DCSchNet"),
    "dc_scn": ("direct_models", "DCSCN"),
}
_MODULES = {class_name: module for module, class_name in WRAPPERS.values()}


def __getattr__(name: str) -> Any:
    """Return a wrapper by the name of its class."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def import_wrapper(name: str) -> None:
    """Import the wrapper with this registered name; it registers itself, and the stock model that it derives from."""
    importlib.import_module(f"{__name__}.{WRAPPERS[name][0]}")


def import_all() -> None:
    """Import every wrapper."""
    for name in WRAPPERS:
        import_wrapper(name)
