"""The number of continuous derivatives, against the jumps at 0 of derivatives that autograd takes."""

import math
from typing import Any

import pytest
import torch

from ocp_dc.nn import activation, activation_names, smoothness

ORDERS = 4  # derivatives beyond this one count as smooth
SPECS = [
    *activation_names(),
    {"name": "elu", "alpha": 0.5},
    {"name": "integrated_elu", "alpha": 0.5},
    {"name": "leaky_relu", "negative_slope": 1.0},
    {"name": "integrated_leaky_relu", "negative_slope": 1.0},
]


def jumps(function: torch.nn.Module) -> list[float]:
    """Return by how much the function and its derivatives differ between both sides of 0."""
    x = torch.tensor([-1e-6, 1e-6], dtype=torch.float64, requires_grad=True)
    value = function(x)
    found = []
    for _ in range(ORDERS + 1):
        found.append(abs(float((value[1] - value[0]).detach())))
        if not value.requires_grad:  # zero from here on
            break
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True, materialize_grads=True)
    return found


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_against_autograd(spec: str | dict[str, Any]) -> None:
    function = activation(spec)
    first = next((order for order, jump in enumerate(jumps(function)) if jump > 1e-3), math.inf)
    assert smoothness(function) == first - 1


def test_an_unknown_function() -> None:
    assert smoothness(torch.nn.Identity()) is None
