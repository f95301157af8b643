"""Derivatives of activations in closed form, against autograd, central differences, and themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch_geometric.nn.models.schnet import ShiftedSoftplus as HostShiftedSoftplus

from ocp_dc.nn import activation, activation_names
from ocp_dc.nn.derivatives import derivative, value_and_derivative
from ocp_dc.surgery.regularized_activation import RegularizedActivation

SETTINGS: list[nn.Module] = [
    HostShiftedSoftplus(),
    activation({"name": "irelu", "coefficient": 0.3}),
    activation({"name": "twice_integrated_relu", "coefficient": "unit_moment"}),
    activation({"name": "integrated_leaky_relu", "coefficient": 0.7, "negative_slope": -0.2}),
    activation({"name": "integrated_elu", "alpha": 0.4}),
    activation({"name": "elu", "alpha": 1.7}),
    activation({"name": "leaky_relu", "negative_slope": 0.3}),
    nn.Softplus(beta=2.5),
]
EVERY = [*(activation(name) for name in activation_names()), *SETTINGS]
# torch's softplus is x itself from 20 on: its derivative is 1 there, and ours 1 - 2e-9
ABSOLUTE = 5e-9


def both_of(module: nn.Module) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    found = value_and_derivative(module)
    assert found is not None
    return found


@pytest.mark.parametrize("module", EVERY, ids=str)
@given(st.lists(st.floats(-60, 60), min_size=1, max_size=20))
def test_is_the_derivative_of_autograd(module: nn.Module, numbers: list[float]) -> None:
    x = torch.tensor(numbers, dtype=torch.float64, requires_grad=True)
    slope, both = derivative(module), both_of(module)
    assert slope is not None
    value = module(x)
    expected = torch.autograd.grad(value.sum(), x)[0]
    for found in (slope(x), both(x)[1]):
        torch.testing.assert_close(found.detach(), expected, rtol=1e-12, atol=ABSOLUTE)
    torch.testing.assert_close(both(x)[0], value, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("module", EVERY, ids=str)
def test_is_a_central_difference_and_can_be_differentiated(module: nn.Module) -> None:
    """Away from 0, where second derivatives jump."""
    x = torch.tensor([-30.0, -7.1, -2.3, -0.4, -0.03, 0.02, 0.5, 1.9, 6.4, 30.0], dtype=torch.float64)
    both = both_of(module)
    step = 1e-5
    ends = [both(x + sign * step) for sign in (1, -1)]
    value_difference, slope_difference = ((ends[0][k] - ends[1][k]) / (2 * step) for k in (0, 1))
    x.requires_grad_()
    value, slope = both(x)
    torch.testing.assert_close(slope.detach(), value_difference, rtol=1e-7, atol=1e-8)
    first = torch.autograd.grad(value.sum(), x, retain_graph=True)[0]
    torch.testing.assert_close(first, value_difference, rtol=1e-7, atol=1e-8)
    second = torch.autograd.grad(slope.sum(), x)[0] if slope.requires_grad else torch.zeros_like(x)
    torch.testing.assert_close(second, slope_difference, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("module", EVERY, ids=str)
def test_large_numbers_give_no_nan(module: nn.Module) -> None:
    """In float32, with the gradients of value and derivative."""
    x = torch.tensor([-1e4, -100.0, 0.0, 100.0, 1e4], requires_grad=True)
    value, slope = both_of(module)(x)
    gradient = torch.autograd.grad(value.sum() + slope.sum(), x)[0]
    assert torch.isfinite(torch.stack([value, slope, gradient])).all()


@pytest.mark.parametrize(
    "module", [nn.Dropout(), nn.GELU(approximate="tanh"), torch.sin, RegularizedActivation(nn.SiLU(), None, 0.1)]
)
def test_unknown_ones(module: object) -> None:
    assert derivative(module) is None
    assert value_and_derivative(module) is None
