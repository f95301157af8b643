from __future__ import annotations

import copy
import dataclasses
import io
import pickle
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ocp_dc.core.errors import UserError
from ocp_dc.nn import IReLU, ShiftedSoftplus
from ocp_dc.nn.mish import Mish
from ocp_dc.surgery import DCOptions, RegionTable, apply_surgery, fitting_gains
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE, assert_close

from tests.helpers.surgery_toys import BLOCK_PATHS, TABLE, ToyBlocks, ToyCallables, ToyGated, ToyShared, swap

ALL = [first for first, _ in BLOCK_PATHS]


def kinds(model: nn.Module) -> dict[str, type]:
    """Every activation of ToyBlocks: path -> class."""
    return {first: type(model.get_submodule(first)) for first in ALL}


@pytest.mark.parametrize(
    ("region", "inside"),
    [("output", ["act"]), ("full", ALL), ("paper", ALL), (["mlp"], ["interactions.0.mlp.1", "interactions.1.mlp.1"])],
)
def test_regions(region: str | list[str], inside: list[str]) -> None:
    model = ToyBlocks()
    report = swap(model, activation="irelu", region=region)
    assert kinds(model) == {path: IReLU if path in inside else ShiftedSoftplus for path in ALL}
    assert [item.path for item in report.swaps] == inside
    assert [path for path, _ in report.kept] == [path for path in ALL if path not in inside]
    assert (report.swapped, report.swapped_elsewhere) == (len(inside), 0)
    assert report.region == (region if isinstance(region, str) else tuple(region))


def test_what_a_swap_says() -> None:
    model = ToyBlocks()
    report = swap(model, activation={"name": "irelu", "coefficient": 0.25}, region=[r"0\.mlp"])
    (item,) = report.swaps
    assert (item.path, item.aliases) == ("interactions.0.mlp.1", ("interactions.0.conv.filter.1",))
    assert (item.was, item.now, item.inside) == ("ShiftedSoftplus()", "IReLU(coefficient=0.25)", True)
    assert model.get_submodule("interactions.0.conv.filter.1") is model.get_submodule("interactions.0.mlp.1")


def test_the_model_computes_with_the_new_activation() -> None:
    first, last = nn.Linear(3, 4), nn.Linear(4, 1)
    model = nn.Sequential(first, nn.SiLU(), last).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    swap(model, activation="irelu", region="full")
    hidden = x @ first.weight.T + first.bias
    assert_close(model(x), F.linear(hidden.clamp(min=0) ** 2 / 2, last.weight, last.bias))


def test_one_object_in_two_places_counts_once_and_stays_one() -> None:
    model = ToyShared()
    report = swap(model, activation="mish", region="full")
    assert [(item.path, item.aliases) for item in report.swaps] == [("own", ()), ("first.1", ("second.1",))]
    assert report.swapped == 2
    assert isinstance(model.first[1], nn.Mish)
    assert model.first[1] is model.second[1]
    assert model.own is not model.first[1]


def test_a_shared_object_is_swapped_in_the_region_only() -> None:
    model = ToyShared()
    old = model.first[1]
    report = swap(model, activation="mish", region=["first"])
    assert report.swapped == 1
    assert isinstance(model.first[1], nn.Mish)
    assert model.second[1] is old


def test_plain_callables() -> None:
    model = ToyCallables()
    report = swap(model, activation="irelu", region="full")
    for name in ("squash", "bound", "soft", "act"):
        assert isinstance(getattr(model, name), IReLU)
    assert model.reduce is torch.sum
    assert model.gate is torch.sigmoid
    assert report.swaps[0].was == "torch.nn.functional.silu"
    assert report.swapped == 4
    x = torch.randn(3)
    hidden = model.lin(x)
    for _ in range(4):
        hidden = hidden.clamp(min=0) ** 2 / 2
    assert_close(model(x), (hidden * torch.sigmoid(hidden)).sum())


def test_a_function_in_two_owners_is_two_swaps() -> None:
    model = nn.Sequential(ToyCallables(), ToyCallables())
    report = swap(model, activation="irelu", region=["squash"])
    assert [(item.path, item.aliases) for item in report.swaps] == [("0.squash", ()), ("1.squash", ())]


def test_gates_are_never_touched() -> None:
    model = ToyGated()
    report = swap(model, dataclasses.replace(TABLE, gates=("envelope",)), region="full", elsewhere="tanh")
    assert (type(model.gate), type(model.weights), model.act) == (nn.Sigmoid, nn.Softmax, torch.sigmoid)
    assert isinstance(model.envelope, nn.Softplus)
    assert isinstance(model.hidden, IReLU)
    assert [path for path, _ in report.kept] == ["envelope"]


def test_elsewhere() -> None:
    model = ToyBlocks()
    report = swap(model, activation="irelu", region="output", elsewhere="mish")
    assert kinds(model) == {path: IReLU if path == "act" else Mish for path in ALL}
    assert (report.swapped, report.swapped_elsewhere, report.kept) == (1, 4, ())


def test_elsewhere_alone_is_everywhere() -> None:
    model = ToyBlocks()
    report = swap(model, elsewhere="mish")
    assert set(kinds(model).values()) == {Mish}
    assert (report.region, report.swapped, report.swapped_elsewhere) == ("none", 0, 5)


def test_original_in_the_region() -> None:
    model = ToyBlocks()
    swap(model, activation="original", region="output", elsewhere="mish")
    assert kinds(model) == {path: ShiftedSoftplus if path == "act" else Mish for path in ALL}


@pytest.mark.parametrize("block", [{}, {"region": "none"}, {"activation": "original"}, {"elsewhere": "original"}])
def test_a_block_that_asks_for_nothing(block: dict[str, Any]) -> None:
    model = ToyBlocks()
    before = list(model.modules())
    report = swap(model, **block)
    assert all(a is b for a, b in zip(before, model.modules(), strict=True))
    assert (report.swaps, report.removals, report.unchanged) == ((), (), ())
    assert len(report.kept) == 5


@pytest.mark.parametrize(
    "block",
    [
        {"activation": {"name": "irelu", "coefficient": 0.25}, "region": "output", "elsewhere": "mish"},
        {"region": "full"},
        {"activation": "ssp", "region": "full"},  # the model's own activation
        {"elsewhere": {"name": "leaky_relu", "negative_slope": 0.2}},
    ],
)
def test_a_second_time_changes_nothing(block: dict[str, Any]) -> None:
    model = ToyBlocks()
    first = swap(model, **block)
    before = list(model.modules())
    second = swap(model, **block)
    assert all(a is b for a, b in zip(before, model.modules(), strict=True))
    assert second.swaps == ()
    assert set(second.unchanged) == {item.path for item in first.swaps} | set(first.unchanged)


def test_another_coefficient_is_a_swap() -> None:
    model = ToyBlocks()
    swap(model, region="output")
    report = swap(model, region="output", activation={"name": "irelu", "coefficient": 0.25})
    assert (report.swapped, report.unchanged) == (1, ())
    assert model.act.coefficient == 0.25


def test_plain_callables_a_second_time() -> None:
    model = ToyCallables()
    swap(model, region="full")
    assert swap(model, region="full").unchanged == ("squash", "bound", "soft", "act")


@pytest.mark.parametrize("make", [ToyBlocks, ToyShared, ToyGated, ToyCallables])
def test_no_random_number_and_no_other_name(make: type[nn.Module]) -> None:
    model = make()
    names = list(model.state_dict())
    state = torch.get_rng_state()
    swap(model, activation="irelu", region="full", elsewhere="mish")
    assert torch.equal(torch.get_rng_state(), state)
    assert list(model.state_dict()) == names


@pytest.mark.parametrize(
    "block",
    [
        {"activation": "irelo"},
        {"activation": {"name": "irelu", "coeficient": 1.0}},
        {"region": "outputs"},
        {"region": ["nowhere"]},
        {"region": ["("]},
        {"elsewhere": "misch"},
        {"region": "full", "elsewhere": "misch"},  # nothing is elsewhere
        {"region": "output", "elsewhere": "misch", "denormalize": "all"},
        {"region": "none", "activation": "irelu"},
    ],
)
def test_an_error_leaves_the_model_alone(block: dict[str, Any]) -> None:
    model = nn.Sequential(ToyBlocks(), nn.LayerNorm(1))
    before = list(model.modules())
    with pytest.raises(UserError):
        swap(model, **block)
    assert all(a is b for a, b in zip(before, model.modules(), strict=True))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"insert_region": "full"}, r"^host\.dc\.insert_region: got 'full'"),
        ({"region": "none", "activation": "irelu"}, r"^host\.dc: activation 'irelu'"),
        ({"region": "outputs"}, r"^host\.dc\.region: unknown region"),
        ({"dropout": 0.1, "insert_region": ["nowhere"]}, r"^host\.dc\.insert_region: 'nowhere' matches"),
        ({"insert_norm": "batchnorm"}, r"^host\.dc\.insert_norm: the widths"),
        ({"denormalize": "all"}, r"^host\.dc\.denormalize: 'all' finds no such layer"),
    ],
)
def test_errors_name_the_place_in_the_config_of_the_host(block: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        apply_surgery(ToyBlocks(), DCOptions.from_block(block), TABLE, path="host.dc")


def test_inserted_layers_name_the_place_in_the_config_of_the_host() -> None:
    """In errors of a later forward pass."""
    block = {"insert_norm": "batchnorm", "denormalize": "layernorm", "norm_gain": "fitted"}
    model = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), nn.SiLU())
    table = RegionTable(output=(r"^2$",), source="toy")
    apply_surgery(model, DCOptions.from_block(block), table, lambda m: m(torch.ones(3, 4)), path="host.dc")
    with fitting_gains(model), pytest.raises(UserError, match=r"^host\.dc\.norm_gain: "):
        model(torch.zeros(3, 4))
    with pytest.raises(UserError, match=r"^host\.dc\.insert_norm: a batch brings 1 row"):
        model.train()(torch.ones(1, 4))


def test_an_unknown_activation_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown activation 'irelo'.*Did you mean 'irelu'\?"):
        swap(ToyBlocks(), activation="irelo")
    with pytest.raises(UserError, match=r"unknown activation 'misch'.*Did you mean 'mish'\?"):
        swap(ToyBlocks(), elsewhere="misch")


def test_copies_keep_the_surgery() -> None:
    model = ToyCallables()  # a lambda inside: only after surgery can it be pickled
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(model)
    swap(model, activation={"name": "irelu", "coefficient": 0.25}, region="full")
    x = torch.randn(3)
    for clone in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(clone(x), model(x))
        assert clone.act is not model.act
        assert swap(clone, activation={"name": "irelu", "coefficient": 0.25}, region="full").swaps == ()


def test_checkpoints_load_both_ways() -> None:
    stock, changed = ToyBlocks(), ToyBlocks()
    swap(changed, region="full")
    buffer = io.BytesIO()
    torch.save(stock.state_dict(), buffer)
    buffer.seek(0)
    changed.load_state_dict(torch.load(buffer, weights_only=True))
    stock.load_state_dict(changed.state_dict())
    swap(stock, region="full")
    x = torch.randn(2, 4)
    assert torch.equal(stock(x), changed(x))


def test_gradients_flow_to_inputs_and_parameters() -> None:
    model = ToyBlocks().double()
    swap(model, activation="irelu", region="output", elsewhere="mish")
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    step = 1e-5 * torch.eye(12, dtype=torch.float64).reshape(12, 3, 4)
    with torch.no_grad():
        difference = torch.stack([(model(x + d).sum() - model(x - d).sum()) / 2e-5 for d in step])
    relative, absolute = FINITE_DIFFERENCE
    torch.testing.assert_close(gradient.flatten(), difference, rtol=relative, atol=absolute)
    gradient.square().sum().backward()
    # a force loss reaches every parameter but the last bias, which moves energies only
    assert {name for name, p in model.named_parameters() if p.grad is None} == {"lin2.bias"}


def test_an_object_shared_across_the_border_counts_per_place() -> None:
    """As in DimeNet++, whose blocks all hold one activation, inside and outside the output blocks."""
    model = ToyShared()
    model.third = nn.Sequential(nn.Linear(2, 2), model.first[1])
    report = swap(model, activation="irelu", region=["^first", "^second"], elsewhere="mish")
    assert [(s.path, s.aliases) for s in report.swaps if s.inside] == [("first.1", ()), ("second.1", ())]
    assert [s.path for s in report.swaps if not s.inside] == ["own", "third.1"]
    assert isinstance(model.third[1], nn.Mish)
