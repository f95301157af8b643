"""The fit of the scale factors of native potentials is that of fairchem's models."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.train import fit_scales
from ocp_dc.models.gemnet_oc import GemNetOC
from ocp_dc.models.gemnet_t import GemNetT
from ocp_dc.models.painn import PaiNN
from ocp_dc.models.scale_factors import scale_factors, set_scale_factors
from ocp_dc.models.schnet import SchNet
from ocp_dc.training.scale_fit import UnfittableError, factor_table, fit_scale_factors

from tests.fairchem1.wrappers.test_native_gemnet_oc import ARGUMENTS as GEMNET_OC
from tests.fairchem1.wrappers.test_native_gemnet_t import ARGUMENTS as GEMNET_T
from tests.helpers.every_model import build, in_float64
from tests.helpers.native_structures import batch_of, structures

PAINN: dict[str, Any] = {"hidden_channels": 8, "num_layers": 2, "num_rbf": 8, "cutoff": 5.0, "direct_forces": False}
MODELS: dict[str, tuple[type, dict[str, Any]]] = {
    "dc_gemnet_t": (GemNetT, GEMNET_T),
    "dc_gemnet_oc": (GemNetOC, GEMNET_OC),
    "dc_painn": (PaiNN, PAINN),
}


def case(name: str, kinds: tuple[str, ...]) -> tuple[Any, Any, Any, Any]:
    """Return a wrapper and the native model with its weights, and for both the same batches."""
    native_class, arguments = MODELS[name]
    wrapper = build(name, arguments, "periodic", otf_graph=True, max_neighbors=1000).double()
    native = native_class(**arguments).double()
    native.load_state_dict(wrapper.state_dict())
    batches = [batch_of(structures(kind)) for kind in kinds]
    with torch.no_grad():
        inputs = [(b.atomic_numbers.long(), b.pos, native.build_graph(wrapper.find_edges(b))) for b in batches]
    return wrapper, native, batches, inputs


@pytest.mark.parametrize("name", MODELS)
def test_as_fairchem_fits(name: str) -> None:
    with in_float64():
        wrapper, native, batches, inputs = case(name, ("triclinic cell", "mixed sizes"))
        expected = fit_scales.fit(wrapper, batches)
        found = fit_scale_factors(native, inputs)
    assert sorted(each.name for each in found) == sorted(each.name for each in expected)
    values = {each.name: each for each in expected}
    for each in found:
        assert each.value == pytest.approx(values[each.name].value, rel=1e-9), each.name
        assert float(scale_factors(native)[each.name].scale_factor) == each.value
    assert len(factor_table(found).splitlines()) == 1 + len(found)
    with in_float64():
        again = fit_scale_factors(native, inputs)  # fitted factors are fitted anew
    assert again == found


def test_a_file_of_factors() -> None:
    with in_float64():
        _, native, _, inputs = case("dc_gemnet_t", ("triclinic cell",))
        found = {each.name: each.value for each in fit_scale_factors(native, inputs)}
    other = GemNetT(**GEMNET_T)
    set_scale_factors(other, found)
    assert all(float(factor.scale_factor) == pytest.approx(found[n]) for n, factor in scale_factors(other).items())


def test_what_cannot_be_fitted() -> None:
    with in_float64():
        _, native, _, inputs = case("dc_gemnet_t", ("triclinic cell",))
        with pytest.raises(UserError, match=r"SchNet has no scale factors"):
            fit_scale_factors(SchNet(), inputs)
        native.int_blocks[0].trip_interaction.dense_ba.linear.weight.data.zero_()
        with pytest.raises(UnfittableError, match=r"scale factor TripInteraction_1_had_rbf: .* variance 0"):
            fit_scale_factors(native, inputs)
        with pytest.raises(
            UserError, match=r"scale factors .*scale_sbf: no data reach them, or they are those of scale_basis"
        ):
            fit_scale_factors(
                GemNetOC(**{**GEMNET_OC, "scale_basis": True}).double(), case("dc_gemnet_oc", ("triclinic cell",))[3]
            )
