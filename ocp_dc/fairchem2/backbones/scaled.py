"""Backbones with scale factors: GemNet-dT, GemNet-OC and PaiNN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.backbones.native import NativeBackbone
from ocp_dc.models.scale_factors import read_scale_file, set_scale_factors

if TYPE_CHECKING:
    from fairchem.core.units.mlip_unit.api.inference import InferenceSettings


class ScaledBackbone(NativeBackbone):
    """A backbone whose potential has scale factors.

    Args:
        scale_file: the scale factors: a JSON file as that of fairchem 1.10, or the factors by name. Without it they
            are 1. Inference takes them from the checkpoint.
        direct_forces: must be false: forces are -dE/dx.
        arguments: see :class:`NativeBackbone`.

    Raises:
        UserError: the file is missing or does not fit the model, or ``direct_forces`` is true.
    """

    def __init__(
        self, *, scale_file: str | Mapping[str, float] | None = None, direct_forces: bool = False, **arguments: Any
    ) -> None:
        if direct_forces:
            raise UserError(
                "model.backbone.direct_forces: got True, expected False: the forces are the gradient of the energy"
            )
        super().__init__(**arguments)
        if scale_file:
            set_scale_factors(self.potential, read_scale_file(scale_file))

    @classmethod
    def build_inference_settings(cls, settings: InferenceSettings) -> dict[str, Any]:
        """Leave the file of the scale factors out: a checkpoint holds their values."""
        return {"scale_file": None}
