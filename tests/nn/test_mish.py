from __future__ import annotations

import pytest
import torch
from torch import nn

from ocp_dc.nn import ACTIVATIONS, activation
from ocp_dc.nn.mish import Mish

LARGE = (21.0, 50.0, 88.0, 89.0, 1e3, 1e10, 1e15)


def derivatives(function, x, order):
    """f and its derivatives at each x."""
    found = [function(x)]
    for _ in range(order):
        found.append(torch.autograd.grad(found[-1].sum(), x, create_graph=True)[0])
    return [each.detach() for each in found]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-14)])
def test_below_twenty_it_is_torchs(dtype, tolerance):
    x = torch.linspace(-100, 20, 5001, dtype=dtype, requires_grad=True)
    for ours, theirs in zip(derivatives(Mish(), x, 3), derivatives(nn.Mish(), x, 3), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_above_twenty_it_is_the_identity(dtype):
    x = torch.tensor(LARGE, dtype=dtype, requires_grad=True)
    value, first, second, third = derivatives(Mish(), x, 3)
    assert torch.equal(value, x.detach())
    assert torch.equal(first, torch.ones_like(first))
    assert not second.any()
    assert not third.any()
    assert torch.equal(value[:3], nn.Mish()(x)[:3].detach())  # torch's value and slope are right there
    assert torch.equal(first, derivatives(nn.Mish(), x, 1)[1])


def test_gradients_of_forces_are_finite():
    """What torch's Mish turns into NaN: the gradient of a loss of forces at a large input."""
    weight = torch.tensor([100.0], requires_grad=True)
    x = torch.tensor([1.5], requires_grad=True)
    for mish, finite in ((Mish(), True), (nn.Mish(), False)):
        force = -torch.autograd.grad(mish(weight * x).sum(), x, create_graph=True)[0]
        gradient = torch.autograd.grad(force.square().sum(), weight)[0]
        assert bool(torch.isfinite(gradient)) is finite


def test_what_is_not_finite_stays():
    x = torch.tensor([float("nan"), float("inf"), -float("inf")])
    assert torch.isnan(Mish()(x)[0])
    assert Mish()(x)[1] == float("inf")


@pytest.mark.parametrize("name", [each.name for each in ACTIVATIONS])
def test_no_activation_has_derivatives_that_overflow(name):
    x = torch.tensor([-1e10, -1e4, -89.0, -50.0, 50.0, 89.0, 1e4, 1e10], requires_grad=True)
    found = activation(name)(x)
    for _ in range(2):
        if found.requires_grad:
            (found,) = torch.autograd.grad(found.sum(), x, create_graph=True)
            assert torch.isfinite(found).all()
