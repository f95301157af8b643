"""The native PaiNN under its wrapper."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from ocp_dc.models.painn import PaiNN

from tests.helpers.every_model import in_float64
from tests.helpers.native_checks import NativeContract, outputs_and_gradients
from tests.helpers.native_structures import PERIODIC, batch_of, structures

EXACT = {"force_gradients": "exact"}


class TestNativePaiNN(NativeContract):
    stock_name = "painn"
    native_class = PaiNN
    arguments: ClassVar = {
        "hidden_channels": 12,
        "num_layers": 3,
        "num_rbf": 6,
        "cutoff": 5.0,
        "direct_forces": False,
    }
    dc_always: ClassVar = EXACT
    dc_stock: ClassVar = EXACT

    @pytest.mark.parametrize("name", ["mixed sizes", "triclinic cell", "small cell"])
    def test_is_the_stock_model(self, name: str) -> None:
        """Energies and their gradients; the stock forces are those of another function."""
        periodic = name in PERIODIC
        ours = self.wrapper("stock activation", "native", periodic).double()
        stock = self.build(self.stock_name, periodic).double()
        with in_float64():
            found, expected = (outputs_and_gradients(model, batch_of(structures(name))) for model in (ours, stock))
        assert found[0].shape == expected[0].shape
        torch.testing.assert_close(found[0], expected[0], rtol=1e-10, atol=1e-14)
