"""The native PaiNN under its wrapper."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

from ocp_dc.models.painn import PaiNN

from tests.helpers.every_model import in_float64
from tests.helpers.native_checks import NativeContract, assert_same, outputs_and_gradients
from tests.helpers.native_structures import PERIODIC, batch_of, structures

EXACT = {"force_gradients": "exact"}
PATHS = ("native", "off")


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

    @pytest.mark.parametrize("rbf", ["spherical_bessel", "bernstein"])
    @pytest.mark.parametrize("envelope", ["polynomial", "exponential"])
    def test_every_basis(self, rbf: str, envelope: str) -> None:
        changes: dict[str, dict[str, Any]] = {"rbf": {"name": rbf}, "envelope": {"name": envelope}}
        if envelope == "polynomial":
            changes["envelope"]["exponent"] = 4
        models = [self.build("dc_painn", True, dc={**EXACT, "accelerate": path}, **changes).double() for path in PATHS]
        with in_float64():
            assert_same(*(outputs_and_gradients(model, batch_of(structures("triclinic cell"))) for model in models))

    def test_scale_factors_and_removed_norms(self) -> None:
        models = [self.build("dc_painn", False, dc={"denormalize": "layernorm", "accelerate": p}) for p in PATHS]
        for model in models:
            with torch.no_grad():
                model.upd_out_scalar_scale_1.scale_factor.fill_(0.7)
        with in_float64():
            batches = [batch_of(structures("mixed sizes")) for _ in models]
            assert_same(*(outputs_and_gradients(m.double(), b) for m, b in zip(models, batches, strict=True)))

    def test_coincident_atoms(self) -> None:
        """Their distance counts as 1e-6 Å, as in fairchem."""
        found = structures("mixed sizes")
        found[0].positions[1] = found[0].positions[0]
        with in_float64():
            outputs = [self.wrapper("stock activation", path).double()(batch_of(found)) for path in PATHS]
        torch.testing.assert_close(outputs[0]["energy"], outputs[1]["energy"], rtol=1e-10, atol=0.0)
        scale = float(outputs[1]["forces"].detach().abs().max())
        torch.testing.assert_close(outputs[0]["forces"], outputs[1]["forces"], rtol=0.0, atol=1e-9 * scale)

    def test_why_not_native(self) -> None:
        stock = self.build("dc_painn", False, dc={"accelerate": "native"})
        assert "not derivatives of its energy" in stock.host_only_reason()
        direct = self.build("dc_painn", False, direct_forces=True, dc={"accelerate": "native"})
        assert not direct.uses_native
        model = self.wrapper("stock activation", "native")
        with model.upd_out_scalar_scale_0.fit_context_():
            assert "a fit" in model.host_only_reason()
        assert model.host_only_reason() is None

    def test_energies_alone(self) -> None:
        model = self.build("dc_painn", False, regress_forces=False, dc={**EXACT, "accelerate": "native"})
        out = model(batch_of(structures("mixed sizes"), torch.float32))
        assert {key: value.shape for key, value in out.items()} == {"energy": (3,)}
