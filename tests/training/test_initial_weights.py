"""The digest of the weights that a training starts with."""

from __future__ import annotations

import hashlib
import json

import torch
from torch import nn

from ocp_dc.training.initial_weights import initial_weights


def parts() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"one": nn.Linear(3, 2), "two": nn.Linear(2, 1)}


def record(modules: dict[str, nn.Module]) -> dict:
    return json.loads(initial_weights(nn.ModuleDict(modules)))


def test_digests_by_hand():
    modules = parts()
    found = record(modules)
    assert list(found["parameters"]) == ["one.bias", "one.weight", "two.bias", "two.weight"]
    weights = modules["two"].weight.detach().numpy().astype("<f4").tobytes()
    assert found["parameters"]["two.weight"] == hashlib.sha256(weights).hexdigest()[:8]
    assert found["numbers"] == 3 * 2 + 2 + 2 + 1


def test_the_order_of_modules_does_not_matter():
    modules = parts()
    assert record(dict(reversed(modules.items()))) == record(modules)


def test_one_number_matters():
    first, modules = record(parts()), parts()
    with torch.no_grad():
        modules["one"].weight[1, 2] += 1e-6
    second = record(modules)
    assert second["sha256"] != first["sha256"]
    differ = [name for name, digest in first["parameters"].items() if second["parameters"][name] != digest]
    assert differ == ["one.weight"]


def test_a_shared_module_has_all_its_names_and_counts_once():
    shared = nn.Linear(2, 2, dtype=torch.bfloat16)
    found = record({"a": shared, "b": shared})
    assert found["parameters"]["a.weight"] == found["parameters"]["b.weight"]
    assert found["numbers"] == 6


def test_a_parameter_without_dimensions():
    model = nn.Module()
    model.scale = nn.Parameter(torch.tensor(2.0))
    assert json.loads(initial_weights(model))["numbers"] == 1
