"""Activations with cheap derivatives, against torch's and by finite differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocp_dc.models.gemnet_layers import ScaledSiLU
from ocp_dc.nn.activate import activate, silu
from ocp_dc.nn.mish import Mish, mish, mish_and_slope
from ocp_dc.nn.traced import tracing


def derivatives(function: object, x: Tensor, orders: int) -> list[Tensor]:
    assert callable(function)
    found = [function(x)]
    for _ in range(orders):
        found.append(torch.autograd.grad(found[-1].sum(), x, create_graph=True)[0])
    return found


@pytest.mark.parametrize("module", [nn.SiLU(), ScaledSiLU(), Mish(), nn.Mish()], ids=str)
def test_has_the_values_and_derivatives_of_the_module(module: nn.Module) -> None:
    x = torch.linspace(-60, 60, 241, dtype=torch.float64).requires_grad_()
    found, expected = (derivatives(f, x, orders=4) for f in (lambda x: activate(module, x), module))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("function", [silu, mish, mish_and_slope])
def test_derivatives_by_finite_differences(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.linspace(-4, 4, 9, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(function, x)
    assert torch.autograd.gradgradcheck(function, x)


@pytest.mark.parametrize("function", [silu, mish, lambda x: mish_and_slope(x)[1]], ids=["silu", "mish", "slope"])
def test_third_derivatives_by_finite_differences(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.linspace(-4, 4, 9, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: derivatives(function, x, orders=1)[1], x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mish_is_the_identity_for_large_numbers(dtype: torch.dtype) -> None:
    x = torch.tensor([45.0, 89.0, 1e4, 1e15], dtype=dtype, requires_grad=True)
    value, slope, curvature = derivatives(mish, x, orders=2)
    pair = mish_and_slope(x)
    assert torch.equal(value, x)
    assert torch.equal(pair[0], x)
    for ones in (slope, pair[1]):
        assert torch.equal(ones, torch.ones_like(x))
    assert curvature.abs().max() < 1e-15


def test_mish_is_plain_operations_where_they_are_recorded_or_not_differentiated() -> None:
    x = torch.linspace(-3, 3, 7).requires_grad_()
    names = {"_ValueBackward", "_ValueAndSlopeBackward"}
    assert {type(each.grad_fn).__name__ for each in (mish(x), *mish_and_slope(x))} == names
    with tracing():
        assert not names & {type(each.grad_fn).__name__ for each in (mish(x), *mish_and_slope(x))}
    with torch.no_grad():
        assert torch.equal(mish(x), Mish()(x))


@pytest.mark.parametrize(("ours", "theirs"), [(silu, F.silu), (mish, F.mish)], ids=["silu", "mish"])
def test_gradients_by_the_factor_of_the_derivative_alone(
    ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor]
) -> None:
    """As in the backward pass of a loss of forces, where not every input needs a gradient."""
    x, weight = torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    slope = torch.autograd.grad(theirs(x).sum(), x)[0]
    for function in (ours, theirs):
        forces = torch.autograd.grad((weight * function(x)).sum(), x, create_graph=True)[0]
        found = torch.autograd.grad(forces.square().sum(), weight)[0]
        torch.testing.assert_close(found, 2 * weight * slope.square())


@pytest.mark.parametrize("module", [nn.GELU(), nn.Identity(), nn.SiLU(inplace=True)], ids=str)
def test_calls_other_activations(module: nn.Module) -> None:
    x = torch.linspace(-2, 2, 5)
    expected = module(x.clone())
    assert torch.equal(activate(module, x.clone()), expected)


def test_calls_a_module_with_hooks() -> None:
    module, seen = nn.SiLU(), []
    module.register_forward_hook(lambda *_: seen.append(True))
    activate(module, torch.ones(2))
    assert seen
