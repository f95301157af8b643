"""OmegaConf resolvers that fit the label rescaling to the data named in a config, and put numbers into its place.

``${dc_scale:DIR,CENTER,SCALE}``, ``${dc_mean:DIR,CENTER,SCALE}`` and ``${dc_references:DIR,CENTER,SCALE}`` take the
folder or file of the training data, and the center and the scale of a ``label_rescaling:`` block. A fourth argument,
such as ``${reading}``, is a block that says how files that are not aselmdb are read. They are resolved where a run is
started, so that the resolved config, a resumed run and the checkpoint hold plain numbers. This module is light: torch
is imported when a resolver is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocp_dc.labels import LabelRescaling

HIGHEST = 118  # atomic number
Reading = Mapping[str, Any] | None
KEYS = ("center", "scale")  # of a label_rescaling block


def dc_scale(folder: str, center: str = "none", scale: float | str = 1.0, reading: Reading = None) -> float:
    """Return the number C in eV that divides energies and forces: ``rmsd`` of the normalizers of both tasks."""
    return _fitted(folder, center, scale, reading).scale


def dc_mean(folder: str, center: str = "none", scale: float | str = 1.0, reading: Reading = None) -> float:
    """Return the part of the center in eV that all structures share: ``mean`` of the normalizer of the energy."""
    return _fitted(folder, center, scale, reading).mean


def dc_references(folder: str, center: str = "none", scale: float | str = 1.0, reading: Reading = None) -> list[float]:
    """Return the energy in eV for each atomic number from 0 to 118: ``element_references`` of the energy.

    With ``center: composition`` it is NaN for elements that the training data do not have, so that predictions for
    them are NaN. With any other center it is 0 for all elements.
    """
    references = _fitted(folder, center, scale, reading).references
    if references is None:
        return [0.0] * (HIGHEST + 1)
    return references.tolist() + [float("nan")] * (HIGHEST + 1 - len(references))


def _references_node(folder: str, center: str = "none", scale: float | str = 1.0, reading: Reading = None) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.create(
        dc_references(folder, center, scale, reading)
    )  # OmegaConf.resolve does not write a list into a config


RESOLVERS: dict[str, Callable[..., Any]] = {
    "dc_scale": dc_scale,
    "dc_mean": dc_mean,
    "dc_references": _references_node,
}


def register_resolvers(resolvers: Mapping[str, Callable[..., Any]] = RESOLVERS) -> None:
    """Register resolvers with OmegaConf, which then also check the keys of the config's ``label_rescaling`` block."""
    from omegaconf import OmegaConf

    for name, resolver in resolvers.items():
        OmegaConf.register_new_resolver(name, _checking_keys(resolver), replace=True)


def _checking_keys(resolver: Callable[..., Any]) -> Callable[..., Any]:
    """Return a resolver that refuses a misspelt key, which would leave the default of the other key in force."""

    def resolve(*arguments: Any, _root_: Any) -> Any:  # OmegaConf passes the whole config by this name
        from ocp_dc.core.options import check_keys

        block = _root_.get("label_rescaling")
        if isinstance(block, Mapping):
            check_keys(block, KEYS, "label_rescaling")
        return resolver(*arguments)

    return resolve


def _fitted(folder: str, center: str, scale: float | str, reading: Reading) -> LabelRescaling:
    from ocp_dc.fairchem2.labels.fitted import fitted_labels

    return fitted_labels(folder, center, scale, reading)
