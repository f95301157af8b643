from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ocp_dc.core.errors import UserError
from ocp_dc.nn import IReLU, ShiftedSoftplus
from ocp_dc.surgery import DCOptions, RegularizedActivation, Report, apply_surgery, batch_statistics, find_sites
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE, assert_close

from tests.helpers.surgery_toys import BLOCK_PATHS, TABLE, ToyBlocks, ToyCallables, ToyShared, swap

ALL = [first for first, _ in BLOCK_PATHS]
BOTH: dict[str, Any] = {"dropout": 0.3, "insert_norm": "batchnorm"}


def regularize(model: nn.Module, width: int = 4, **block: Any) -> Report:
    """Operate with a pass over random rows of the model's width."""
    return apply_surgery(model, DCOptions.from_block(block), TABLE, lambda model: model(torch.randn(3, width)))


def regularized(model: nn.Module) -> list[str]:
    return [path for path, part in model.named_modules() if isinstance(part, RegularizedActivation)]


@pytest.mark.parametrize(
    ("region", "inside"),
    [(None, ["act"]), ("output", ["act"]), ("full", ALL), ("paper", ALL), ([r"1\.mlp"], ["interactions.1.mlp.1"])],
)
def test_regions(region: Any, inside: list[str]) -> None:
    model = ToyBlocks()
    block = {**BOTH} if region is None else {**BOTH, "insert_region": region}
    report = regularize(model, **block)
    assert [item.path for item in report.insertions] == inside == sorted(regularized(model))
    assert report.swaps == ()
    for path in inside:
        part = model.get_submodule(path)
        assert isinstance(part.activation, ShiftedSoftplus)
        assert (part.norm.num_features, part.dropout) == (4, 0.3)
    assert model.get_submodule("interactions.0.mlp.1") is model.get_submodule("interactions.0.conv.filter.1")


def test_the_stock_parameters_keep_names_and_values_and_no_random_number_is_drawn() -> None:
    stock = ToyBlocks().state_dict()
    model = ToyBlocks()
    model.load_state_dict(stock)
    state = torch.get_rng_state()
    regularize(model, activation="irelu", region="full", insert_region="full", **BOTH)
    assert torch.equal(torch.get_rng_state(), state)
    found = model.state_dict()
    assert [name for name in found if ".norm." not in name] == list(stock)
    assert all(torch.equal(found[name], value) for name, value in stock.items())
    assert {name.rpartition(".norm.")[0] for name in found if ".norm." in name} > set(ALL)  # and an alias
    dropped = ToyBlocks()
    swap(dropped, dropout=0.5)
    assert list(dropped.state_dict()) == list(stock)


def test_the_pass_leaves_no_trace() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5), ToyBlocks())
    model[1].eval()
    before = copy.deepcopy(model.state_dict())
    regularize(model, insert_norm="batchnorm", insert_region=[r"^2\.act$"])
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert [part.training for part in model] == [True, False, True]
    assert all(p.grad is None for p in model.parameters())


def test_with_a_swap_in_another_region() -> None:
    model = ToyBlocks()
    report = regularize(model, activation="irelu", region="output", insert_region=["mlp", "^act$"], **BOTH)
    assert isinstance(model.act.activation, IReLU)
    assert isinstance(model.interactions[0].mlp[1].activation, ShiftedSoftplus)
    assert [(item.path, item.after) for item in report.insertions] == [
        ("act", "IReLU(coefficient=0.5)"),
        ("interactions.0.mlp.1", "ShiftedSoftplus()"),
        ("interactions.1.mlp.1", "ShiftedSoftplus()"),
    ]


def test_places_that_share_an_activation_have_norms_of_their_own() -> None:
    model = ToyShared()
    regularize(model, 2, insert_region=["^first", "^second"], **BOTH)
    assert model.first[1].activation is model.second[1].activation
    assert model.first[1].norm is not model.second[1].norm


def test_plain_callables() -> None:
    model: Any = ToyCallables()
    order = [site.paths for site in find_sites(model)]
    regularize(model, 3, activation="irelu", region=["^act$"], insert_region="full", **BOTH)
    assert {path: type(getattr(model, path)) for (path,) in order} == dict.fromkeys(
        (p for (p,) in order), RegularizedActivation
    )
    assert model.squash.activation is F.silu
    assert isinstance(model.act.activation, IReLU)
    assert {site.paths for site in find_sites(model)} == set(order)
    x = torch.randn(5, 3)
    hidden = F.softplus(torch.tanh(F.silu(model.lin(x)) / (1 + 1e-5) ** 0.5) / (1 + 1e-5) ** 0.5, beta=2.0)
    hidden = (hidden / (1 + 1e-5) ** 0.5).clamp(min=0) ** 2 / 2 / (1 + 1e-5) ** 0.5  # running variances are one
    assert_close(model.eval()(x), (hidden * torch.sigmoid(hidden)).sum())


def test_a_second_operation_changes_nothing() -> None:
    block = {"activation": "irelu", "region": "output", "insert_region": "full", "denormalize": "batchnorm", **BOTH}
    model = ToyBlocks()
    assert len(regularize(model, **block).insertions) == len(ALL)
    parts = list(model.modules())
    again = regularize(model, **block)
    assert (again.insertions, again.swaps, again.removals) == ((), (), ())
    assert all(a is b for a, b in zip(parts, model.modules(), strict=True))
    assert [site.paths for site in find_sites(model)] == [(first, *aliases) for first, aliases in BLOCK_PATHS]


def test_a_second_operation_finds_the_activation_itself() -> None:
    model = ToyBlocks()
    regularize(model, **BOTH)
    report = regularize(model, activation="mish", region="full", dropout=0.1)
    assert isinstance(model.act.activation, nn.Mish)
    assert (model.act.norm, model.act.dropout) == (None, 0.1)
    assert report.swapped == len(ALL)
    assert [(item.after, item.norm, item.dropout) for item in report.insertions] == [("Mish()", None, 0.1)]
    assert not any("norm" in name for name in model.state_dict())


def test_copies_and_double_precision() -> None:
    model = ToyBlocks().double()
    apply_surgery(model, DCOptions.from_block(BOTH), TABLE, lambda model: model(torch.randn(3, 4, dtype=torch.float64)))
    x = torch.randn(6, 4, dtype=torch.float64)
    model(x)
    model.eval()
    for clone in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(clone(x), model(x))
        assert clone.act.norm is not model.act.norm


def test_gradients_are_those_of_the_function_that_evaluates() -> None:
    model = ToyBlocks().double()
    block = DCOptions.from_block({"activation": "irelu", "region": "output", "insert_region": "full", **BOTH})
    apply_surgery(model, block, TABLE, lambda model: model(torch.randn(3, 4, dtype=torch.float64)))
    for _ in range(3):
        model(torch.randn(9, 4, dtype=torch.float64))  # running statistics other than at first
    model.eval()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x).sum(), x)
    step = 1e-5 * torch.eye(12, dtype=torch.float64).reshape(12, 3, 4)
    with torch.no_grad():
        difference = torch.stack([(model(x + d).sum() - model(x - d).sum()) / 2e-5 for d in step])
    relative, absolute = FINITE_DIFFERENCE
    torch.testing.assert_close(gradient.flatten(), difference, rtol=relative, atol=absolute)


def test_the_statistics_of_a_batch_for_a_while() -> None:
    model = ToyBlocks()
    regularize(model, insert_norm="batchnorm")
    model.eval()
    x, before = torch.randn(50, 4), copy.deepcopy(model.state_dict())
    hidden = []
    model.act.register_forward_hook(lambda part, inputs, y: hidden.append(y.detach()))
    with batch_statistics(model):
        model(x)
    model(x)
    assert_close(hidden[0].mean(0), torch.zeros(4))
    assert float(hidden[1].mean(0).abs().max()) > 0.01
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert not model.act.norm.training
    assert model.act.norm.track_running_stats


class TwoWidths(nn.Module):
    """One activation object for features of two widths, as DimeNet++ has, one that sees a grid, and one never used."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.SiLU()
        self.lin = nn.Linear(4, 3)
        self.grid = nn.SiLU()
        self.idle = nn.SiLU()
        self.last = nn.SiLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.grid(self.act(self.lin(self.act(x)))[:, None])[:, 0])


def test_widths_that_no_norm_fits_are_named_and_the_model_stays() -> None:
    model = TwoWidths()
    before = list(model.modules())
    with pytest.raises(UserError, match=r"insert_norm: a BatchNorm1d needs features \[N, width\]") as error:
        regularize(model, activation="irelu", region="full", insert_norm="batchnorm", insert_region="full")
    message = str(error.value)
    for line in (
        "act: features of shape [3, 4], [3, 3]",
        "grid: features of shape [3, 1, 3]",
        "idle: no data reach it",
    ):
        assert f"\n  {line}\n" in message
    assert message.endswith("Give insert_region a list of regular expressions that match places that fit:\n  last")
    assert all(a is b for a, b in zip(before, model.modules(), strict=True))
    assert all(part.training for part in model.modules())
    regularize(model, insert_norm="batchnorm", insert_region=["^last$"])
    swap(model, dropout=0.5, insert_region="full")  # which any features take
    assert regularized(model) == ["act", "grid", "idle", "last"]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            {"dropout": 0.1, "insert_region": "outputs"},
            r"^dc\.insert_region: unknown region 'outputs'.*'output'\?",
        ),
        ({"dropout": 0.1, "insert_region": ["nowhere"]}, r"^dc\.insert_region: 'nowhere' matches no activation"),
        ({"dropout": 0.1, "insert_region": ["("]}, r"^dc\.insert_region: '\(' is not a valid regular expression"),
        ({"insert_norm": "batchnorm"}, r"^dc\.insert_norm: .* give apply_surgery\(\) a forward"),
        ({"dropout": 1}, r"^dc\.dropout"),
    ],
)
def test_an_error_leaves_the_model_alone(block: dict[str, Any], message: str) -> None:
    model = ToyBlocks()
    before = list(model.modules())
    with pytest.raises(UserError, match=message):
        swap(model, activation="irelu", region="full", **block)
    assert all(a is b for a, b in zip(before, model.modules(), strict=True))
