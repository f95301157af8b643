from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ocp_dc.nn import IReLU, activation, activation_names
from ocp_dc.surgery import find_sites
from ocp_dc.surgery.sites import ACTIVATION_TYPES, describe

from tests.helpers.surgery_toys import BLOCK_PATHS, ToyBlocks, ToyCallables, ToyGated, ToyShared


def paths(model: nn.Module, *activation_types: str) -> list[tuple[str, ...]]:
    return [site.paths for site in find_sites(model, activation_types)]


def test_an_owner_that_two_paths_reach_is_one_site() -> None:
    assert paths(ToyBlocks()) == [(first, *aliases) for first, aliases in BLOCK_PATHS]


def test_the_schnet_of_pyg() -> None:
    schnet = pytest.importorskip("torch_geometric.nn").SchNet
    model = schnet(hidden_channels=4, num_filters=4, num_interactions=2, num_gaussians=3)
    assert paths(model) == [
        ("act",),
        ("interactions.0.act",),
        ("interactions.0.mlp.1", "interactions.0.conv.nn.1"),
        ("interactions.1.act",),
        ("interactions.1.mlp.1", "interactions.1.conv.nn.1"),
    ]


def test_one_object_in_two_places_is_two_sites() -> None:
    sites = find_sites(ToyShared())
    assert [site.paths for site in sites] == [("own",), ("first.1",), ("second.1",)]
    assert sites[1].original is sites[2].original


def test_plain_callables() -> None:
    model = ToyCallables()
    assert paths(model) == [("squash",), ("bound",), ("soft",), ("act",)]
    assert [site.original for site in find_sites(model)] == [model.squash, model.bound, model.soft, model.act]


@pytest.mark.parametrize(
    "attribute", ["act", "_act", "act_fn", "act_1", "activation", "activation_function", "nonlinearity", "act2"]
)
def test_names_of_attributes_that_hold_an_activation(attribute: str) -> None:
    model = nn.Module()
    setattr(model, attribute, lambda x: x)
    assert paths(model) == [(attribute,)]


@pytest.mark.parametrize("attribute", ["action", "activate_later", "factor", "compact"])
def test_names_of_attributes_that_do_not(attribute: str) -> None:
    model = nn.Module()
    setattr(model, attribute, lambda x: x)
    assert paths(model) == []


@pytest.mark.parametrize(
    "gate", [torch.sigmoid, F.hardsigmoid, F.softmax, functools.partial(torch.softmax, dim=-1), nn.Sigmoid(), nn.ReLU]
)
def test_gates_and_classes_are_out_of_reach_even_as_act(gate: Any) -> None:
    model = nn.Module()
    model.act = gate
    assert paths(model) == []


def test_a_gated_model() -> None:
    assert paths(ToyGated()) == [("envelope",), ("hidden",)]


class OwnKind(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.SiLU()


def test_a_type_of_the_models_own_is_one_place() -> None:
    model = nn.Sequential(nn.Linear(1, 1), OwnKind())
    assert paths(model) == [("1.inner",)]
    assert paths(model, "OwnKind") == [("1",)]


def test_put_keeps_the_order_of_the_children() -> None:
    model = nn.Sequential(nn.ReLU(), nn.Linear(1, 1), nn.ReLU())
    find_sites(model)[0].replace(IReLU())
    assert [type(part) for part in model] == [IReLU, nn.Linear, nn.ReLU]


def test_put_over_a_plain_callable() -> None:
    model = ToyCallables()
    new = IReLU()
    find_sites(model)[0].replace(new)
    assert model.squash is new
    assert dict(model.named_children())["squash"] is new
    assert ("squash",) in paths(model)


def test_describe() -> None:
    assert describe(nn.SiLU()) == "SiLU()"
    assert describe(F.silu) == "torch.nn.functional.silu"
    assert describe(functools.partial(F.leaky_relu, negative_slope=0.1)) == (
        "partial of torch.nn.functional.leaky_relu"
    )
    assert "tanh" in describe(torch.tanh)
    assert "lambda" in describe(lambda x: x)


@pytest.mark.parametrize("name", activation_names())
def test_every_named_activation_is_a_site(name: str) -> None:
    assert isinstance(activation(name), ACTIVATION_TYPES)
