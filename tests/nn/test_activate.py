"""SiLU with cheap derivatives, against torch's and by finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocp_dc.models.gemnet_layers import ScaledSiLU
from ocp_dc.nn.activate import activate, silu


def derivatives(function: object, x: Tensor, orders: int) -> list[Tensor]:
    assert callable(function)
    found = [function(x)]
    for _ in range(orders):
        found.append(torch.autograd.grad(found[-1].sum(), x, create_graph=True)[0])
    return found


@pytest.mark.parametrize("module", [nn.SiLU(), ScaledSiLU()], ids=["SiLU", "scaled SiLU"])
def test_has_the_values_and_derivatives_of_the_module(module: nn.Module) -> None:
    x = torch.linspace(-60, 60, 241, dtype=torch.float64).requires_grad_()
    found, expected = (derivatives(f, x, orders=4) for f in (lambda x: activate(module, x), module))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


def test_second_derivatives_by_finite_differences() -> None:
    x = torch.linspace(-4, 4, 9, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(silu, x)
    assert torch.autograd.gradgradcheck(lambda x: derivatives(silu, x, orders=1)[1], x)


def test_gradients_by_the_factor_of_the_derivative_alone() -> None:
    """As in the backward pass of a loss of forces, where not every input needs a gradient."""
    x, weight = torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for function in (silu, F.silu):
        forces = torch.autograd.grad((weight * function(x)).sum(), x, create_graph=True)[0]
        found = torch.autograd.grad(forces.square().sum(), weight)[0]
        slope = torch.sigmoid(x) * (1 + x * (1 - torch.sigmoid(x)))
        torch.testing.assert_close(found, 2 * weight * slope.square())


@pytest.mark.parametrize("module", [nn.Mish(), nn.Identity(), nn.SiLU(inplace=True)], ids=str)
def test_calls_other_activations(module: nn.Module) -> None:
    x = torch.linspace(-2, 2, 5)
    expected = module(x.clone())
    assert torch.equal(activate(module, x.clone()), expected)


def test_calls_a_module_with_hooks() -> None:
    module, seen = nn.SiLU(), []
    module.register_forward_hook(lambda *_: seen.append(True))
    activate(module, torch.ones(2))
    assert seen
