"""Second names of shared parameters."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ocp_dc.models.shared_names import save_first_names, second_names, with_second_names


def shared() -> nn.Module:
    module = nn.Module()
    module.a = nn.Linear(2, 3)
    module.b = nn.ModuleList([module.a, nn.Linear(3, 2)])
    return module


def test_second_names() -> None:
    assert second_names(shared()) == {"b.0.weight": "a.weight", "b.0.bias": "a.bias"}
    assert second_names(nn.Linear(1, 1)) == {}


def test_with_second_names() -> None:
    module = shared()
    every = dict(module.state_dict())
    first = {name: value for name, value in every.items() if not name.startswith("b.0")}
    assert with_second_names(first, module).keys() == every.keys()
    assert with_second_names(every, module) == every


def test_a_state_has_first_names_and_is_loaded_with_and_without_the_others() -> None:
    torch.manual_seed(0)
    inner, other = shared(), shared()
    every = {f"0.{name}": value.clone() for name, value in inner.state_dict().items()}
    save_first_names(inner)
    outer = copy.deepcopy(nn.Sequential(inner))  # the hooks are copied too
    state = outer.state_dict()
    assert sorted(state) == ["0.a.bias", "0.a.weight", "0.b.1.bias", "0.b.1.weight"]
    save_first_names(other)
    target = nn.Sequential(other)
    for given in (state, every):
        for parameter in target.parameters():
            nn.init.zeros_(parameter)
        target.load_state_dict(given)
        assert all(torch.equal(value, state[name]) for name, value in target.state_dict().items())
    assert other.b[0] is other.a
