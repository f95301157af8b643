"""The native GemNet-dT under its wrapper."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import pytest
import torch
from fairchem.core.modules.scaling import ScaleFactor

from ocp_dc.fairchem1.train.fit_scales import fit
from ocp_dc.models.gemnet_t import GemNetT

from tests.helpers.every_model import in_float64
from tests.helpers.native_checks import NativeContract, assert_same, outputs_and_gradients
from tests.helpers.native_structures import batch_of, ethanols, structures

ARGUMENTS: dict[str, Any] = {
    "num_spherical": 4,
    "num_radial": 6,
    "num_blocks": 2,
    "emb_size_atom": 8,
    "emb_size_edge": 12,
    "emb_size_trip": 6,
    "emb_size_rbf": 5,
    "emb_size_cbf": 3,
    "emb_size_bil_trip": 7,
    "num_before_skip": 1,
    "num_after_skip": 1,
    "num_concat": 1,
    "num_atom": 1,
    "cutoff": 5.0,
}
# each basis and each envelope with its derivatives by the distance and by what of it is trained
BASES: dict[str, dict[str, Any]] = {
    "bessel": {"rbf": {"name": "spherical_bessel"}, "envelope": {"name": "exponential"}},
    "bernstein": {"rbf": {"name": "bernstein"}, "envelope": {"name": "polynomial", "exponent": 3}},
    "gaussian cosines": {"cbf": {"name": "gaussian"}, "envelope": {"name": "exponential"}},
    "mean": {"extensive": False, "activation": "siqu", "output_init": "zeros", "num_spherical": 2},
}


class TestNativeGemNetT(NativeContract):
    """With fitted scale factors."""

    stock_name = "gemnet_t"
    native_class = GemNetT
    arguments: ClassVar = ARGUMENTS
    # over 200 steps, against float64: up to 3.0e-4 for this path, 3.7e-4 for fairchem's, and 8.9e-5 between both
    lockstep_tolerance = 5e-4

    def setup_model(self, model: torch.nn.Module) -> None:
        generator = torch.Generator().manual_seed(3)
        for name, parameter in model.named_parameters():
            if name.split(".")[-2].startswith("scale_"):
                parameter.data.fill_(0.6 + 0.8 * torch.rand((), generator=generator).item())

    def test_cuts_neighbors_as_fairchem(self) -> None:
        """With few neighbors many edges lose their reverse, which GemNet completes or drops."""
        self.compare("triclinic cell", periodic=True, max_neighbors=7)

    def test_leaves_out_longer_edges_of_the_data(self) -> None:
        """Edges that come with the data are OC20's within 6 Å; another cutoff selects among them."""
        batch = batch_of(structures("mixed sizes"))
        model = self.build("dc_gemnet_t", False, cutoff=3.0, otf_graph=False, dc={"accelerate": "native"})
        counts = {}
        for cutoff in (3.0, 6.0):
            wide = self.build("dc_gemnet_t", False, cutoff=cutoff, dc={"accelerate": "native"})
            counts[cutoff] = len(wide.find_edges(batch).source)
            batch.edge_index = torch.stack([wide.find_edges(batch).source, wide.find_edges(batch).target])
        assert len(model.find_edges(batch).source) == counts[3.0] < counts[6.0]

    def test_a_fit_of_scale_factors_observes_the_host_path(self) -> None:
        """The fit reads what passes through fairchem's modules of the factors."""
        batches = [batch_of(ethanols(2, first), torch.float32) for first in (0, 2)]
        ours, host = (
            self.build("dc_gemnet_t", False, dc={"activation": "irelu", "accelerate": path})
            for path in ("native", "off")
        )
        assert fit(ours, copy.deepcopy(batches)) == fit(host, copy.deepcopy(batches))
        assert ours.uses_native
        factor = next(part for part in ours.modules() if isinstance(part, ScaleFactor))
        with factor.fit_context_():
            assert ours.host_only_reason() == "a fit of its scale factors is in progress"
        assert ours.host_only_reason() is None
        copied = copy.deepcopy(ours)  # whose factors are its own
        with next(part for part in copied.modules() if isinstance(part, ScaleFactor)).fit_context_():
            assert not copied.uses_native
            assert ours.uses_native

    def test_direct_forces_take_the_host_path(self) -> None:
        model = self.build("dc_gemnet_t", False, direct_forces=True, dc={"accelerate": "native"})
        assert model.host_only_reason() == "it predicts direct forces"
        assert model(batch_of(structures("mixed sizes"), torch.float32))["forces"].abs().max() > 0

    def compare(self, name: str, periodic: bool, **changes: Any) -> None:
        stock = self.build("gemnet_t", periodic, **changes).double()
        ours = self.build("dc_gemnet_t", periodic, **changes, dc={"accelerate": "native"}).double()
        with in_float64():
            found, expected = (outputs_and_gradients(model, batch_of(structures(name))) for model in (ours, stock))
        assert_same(found, expected)


class TestUnfitted(NativeContract):
    """With scale factors of 0, which mean 1."""

    stock_name = "gemnet_t"
    native_class = GemNetT
    arguments: ClassVar = ARGUMENTS
    steps = 20
    lockstep_tolerance = 5e-4


@pytest.mark.parametrize("name", BASES)
class TestBases:
    """Each basis, envelope and further argument against the stock model."""

    def test_is_the_stock_model(self, name: str) -> None:
        TestNativeGemNetT().compare("mixed sizes", periodic=False, **BASES[name])

    def test_initial_weights(self, name: str) -> None:
        contract = TestNativeGemNetT()
        contract.arguments = {**ARGUMENTS, **BASES[name]}  # type: ignore[misc]
        contract.test_has_the_initial_weights_of_the_stock_model()

    def test_the_two_forms_agree(self, name: str) -> None:
        contract = TestNativeGemNetT()
        contract.arguments = {**ARGUMENTS, **BASES[name]}  # type: ignore[misc]
        contract.test_the_two_forms_agree("mixed sizes", "stock activation")
