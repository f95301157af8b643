"""The SiLU that eSCN-MD makes inside ``csd_embedding``, held as a module so that surgery reaches it."""

from __future__ import annotations

from typing import Any

from fairchem.core.models.uma.escn_md import eSCNMDBackbone
from fairchem.core.models.uma.escn_moe import eSCNMDMoeBackbone
from torch import Tensor, cat, nn


class CSDActivation(nn.Module):
    """Mixed into a backbone: the embedding of charge, spin and data set with the activation ``csd_act``."""

    csd_act: nn.Module

    def csd_embedding(self: Any, charge: Tensor, spin: Tensor, dataset: Any) -> Tensor:
        """Return the embedding of each structure, [B, sphere_channels]; fairchem's method, with our activation."""
        parts = [self.charge_embedding(charge), self.spin_embedding(spin)]
        if self.use_dataset_embedding:
            parts.append(self.dataset_embedding(dataset))
        return self.csd_act(self.mix_csd(cat(parts, dim=1)))


class _ESCNMD(CSDActivation, eSCNMDBackbone):
    """eSCN-MD with the activation as a module."""


class _ESCNMDMoe(CSDActivation, eSCNMDMoeBackbone):
    """eSCN-MD's mixture of experts with the activation as a module."""


_CLASSES: dict[type, type] = {eSCNMDBackbone: _ESCNMD, eSCNMDMoeBackbone: _ESCNMDMoe}


def expose_csd_activation(backbone: Any) -> str | None:
    """Hold the activation of ``csd_embedding`` as ``backbone.csd_act``; the results do not change.

    Returns:
        A note for the report if the backbone's class overrides fairchem's, so that the activation is out of reach.
    """
    if isinstance(backbone, CSDActivation) or not isinstance(backbone, eSCNMDBackbone):
        return None
    kind = _CLASSES.get(type(backbone))
    if kind is None:
        return f"note: {type(backbone).__name__}.csd_embedding makes a SiLU at each call, which is out of reach"
    backbone.__class__ = kind
    backbone.csd_act = nn.SiLU()
    return None
