"""The native DimeNet++ under its wrapper, with exact and with stock angles."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from ocp_dc.models.dimenetplusplus import DimeNetPlusPlus

from tests.helpers.native_checks import NativeContract

ARGUMENTS = {
    "hidden_channels": 12,
    "num_blocks": 2,
    "int_emb_size": 8,
    "basis_emb_size": 4,
    "out_emb_channels": 12,
    "num_spherical": 3,
    "num_radial": 3,
    "num_output_layers": 1,
    "cutoff": 5.0,
}


class DimeNetPlusPlusContract(NativeContract):
    stock_name = "dimenetplusplus"
    native_class = DimeNetPlusPlus
    lockstep_tolerance = 2.5e-4  # measured: native and off differ by 8e-5, and each from float64 by as much

    def setup_model(self, model: Any) -> None:
        """Fill the last layers, which start at zero, without a draw from the generator that the models share.

        The first features are kept small: squared in every layer, as with IReLU everywhere, larger ones overflow.
        """
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for block in model.output_blocks:
                block.lin.weight.normal_(generator=generator)
            model.emb.lin.weight.mul_(0.3)


class TestExactAngles(DimeNetPlusPlusContract):
    arguments: ClassVar = ARGUMENTS
    dc_stock = None  # fairchem's forces are not the gradient of its energy

    def build(self, name: str, periodic: bool, **changes: Any) -> Any:
        if "dc" in changes:
            changes["dc"] = {"angle_gradients": "exact", **changes["dc"]}
        return super().build(name, periodic, **changes)


class TestStockAngles(DimeNetPlusPlusContract):
    arguments: ClassVar = {**ARGUMENTS, "envelope_exponent": 6}
    dc_always: ClassVar = {"angle_gradients": "stock"}
    dc_stock: ClassVar = {"angle_gradients": "stock"}
    # forces without the part of the angles: their derivatives are no differences of forces
    test_second_derivatives_by_positions = None  # type: ignore[assignment]

    def native(self) -> Any:
        model = super().native()
        model.angle_gradients = "stock"
        return model
