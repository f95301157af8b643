from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck, gradgradcheck

from ocp_dc.core.errors import UserError
from ocp_dc.nn import IntegratedELU, IntegratedLeakyReLU, IReLU, TwiceIntegratedReLU, activation
from ocp_dc.testing.tolerances import assert_close

FLOATS = st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=20)
POSITIVE = st.floats(0.01, 4)
DTYPES = st.sampled_from([torch.float64, torch.float32])
MODULES = [
    IReLU(),
    IReLU(0.25),
    IReLU("unit_moment"),
    IntegratedLeakyReLU(),
    IntegratedLeakyReLU(0.2, 0.7),
    IntegratedELU(),
    IntegratedELU(0.6),
    TwiceIntegratedReLU(),
    TwiceIntegratedReLU("unit_moment"),
]
every_module = pytest.mark.parametrize("module", MODULES, ids=repr)


def derivatives(module: torch.nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Value, first and second derivative by double backward."""
    x = x.clone().requires_grad_()
    value = module(x)
    (first,) = grad(value.sum(), x, create_graph=True)
    (second,) = grad(first.sum(), x, create_graph=True)
    return [value.detach(), first.detach(), second.detach()]


def closed_form_leaky(x: torch.Tensor, slope: float, c: float) -> list[torch.Tensor]:
    exact = x.double()
    factor = torch.where(exact > 0, torch.full_like(exact, c), torch.full_like(exact, slope * c))
    return [factor * exact**2, 2 * factor * exact, 2 * factor]


def check(module: torch.nn.Module, x: torch.Tensor, expected: list[torch.Tensor]) -> None:
    for actual, reference in zip(derivatives(module, x), expected, strict=True):
        assert actual.dtype == x.dtype
        assert_close(actual, reference.to(x.dtype))


@settings(deadline=None)
@given(FLOATS, POSITIVE, DTYPES)
def test_irelu_closed_form(values: list[float], c: float, dtype: torch.dtype) -> None:
    x = torch.tensor([*values, 0.0, -0.0], dtype=dtype)
    check(IReLU(c), x, closed_form_leaky(x, 0.0, c))


@settings(deadline=None)
@given(FLOATS, st.floats(-1, 1), POSITIVE, DTYPES)
def test_leaky_closed_form(values: list[float], slope: float, c: float, dtype: torch.dtype) -> None:
    x = torch.tensor([*values, 0.0], dtype=dtype)
    check(IntegratedLeakyReLU(slope, c), x, closed_form_leaky(x, slope, c))


@settings(deadline=None)
@given(FLOATS, POSITIVE, DTYPES)
def test_elu_closed_form(values: list[float], alpha: float, dtype: torch.dtype) -> None:
    x = torch.tensor([*values, 0.0], dtype=dtype)
    exact, positive = x.double(), x > 0
    expected = [
        torch.where(positive, exact**2 / 2, alpha * (torch.expm1(exact) - exact)),
        torch.where(positive, exact, alpha * torch.expm1(exact)),
        torch.where(positive, torch.ones_like(exact), alpha * torch.exp(exact)),
    ]
    check(IntegratedELU(alpha), x, expected)


@settings(deadline=None)
@given(FLOATS, POSITIVE, DTYPES)
def test_twice_integrated_closed_form(values: list[float], c: float, dtype: torch.dtype) -> None:
    x = torch.tensor([*values, 0.0, -0.0], dtype=dtype)
    positive = x.double().clamp(min=0)
    check(TwiceIntegratedReLU(c), x, [c * positive**3, 3 * c * positive**2, 6 * c * positive])


def test_its_derivatives_are_irelu_relu_and_a_step() -> None:
    x = torch.tensor([-2.0, 0.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    result, found = TwiceIntegratedReLU()(x), []
    for _ in range(3):
        (result,) = grad(result.sum(), x, create_graph=True)
        found.append(result.detach())
    for actual, expected in zip(found, (IReLU()(x), torch.relu(x), torch.heaviside(x, 0 * x)), strict=True):
        assert_close(actual, expected.detach())


@pytest.mark.parametrize("make", [IReLU, TwiceIntegratedReLU])
def test_irelu_and_its_derivatives_are_exactly_zero_at_and_below_zero(make: type[torch.nn.Module]) -> None:
    x = torch.tensor([0.0, -0.0, -3.0, -1e30, -torch.inf])
    for result in derivatives(make(0.7), x):
        assert torch.equal(result, torch.zeros(5))


@pytest.mark.parametrize("make", [IReLU, TwiceIntegratedReLU])
def test_irelu_passes_nan_on(make: type[torch.nn.Module]) -> None:
    assert derivatives(make(), torch.tensor([torch.nan]))[0].isnan().all()
    assert derivatives(make(), torch.tensor([torch.nan]))[1].isnan().all()


def test_irelu_gradient_survives_a_product_beyond_half_precision() -> None:
    x = torch.tensor([-300.0, 0.5], dtype=torch.float16, requires_grad=True)
    (first,) = grad(IReLU()(x), x, torch.tensor([300.0, 300.0], dtype=torch.float16))
    assert first.tolist() == [0.0, 150.0]


def test_elu_stays_finite_far_from_zero() -> None:
    for result in derivatives(IntegratedELU(), torch.tensor([-1e4, 1e4])):
        assert result.isfinite().all()


@every_module
def test_numerical_derivatives_away_from_the_kink(module: torch.nn.Module) -> None:
    x = torch.tensor([[-2.0, -0.5, -0.1], [0.1, 0.7, 3.0]], dtype=torch.float64, requires_grad=True)
    assert gradcheck(module, x)
    assert gradgradcheck(module, x)


@every_module
def test_second_order_training_gradient_of_a_layer(module: torch.nn.Module) -> None:
    """The gradient of an energy-and-force loss with respect to the weights, against finite differences."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(3, 5, dtype=torch.float64, generator=generator, requires_grad=True)

    def loss(weight: torch.Tensor) -> torch.Tensor:
        energy = module(x @ weight).sum()
        (forces,) = grad(energy, x, create_graph=True)
        return energy.square() + forces.square().sum()

    assert gradcheck(loss, weight)


@every_module
def test_third_derivative_exists(module: torch.nn.Module) -> None:
    x = torch.tensor([0.3, 2.0], dtype=torch.float64, requires_grad=True)
    result = module(x).pow(3).sum()  # for x > 0: c^3 x^n with n = 6 or 9, third derivative n (n-1) (n-2) c^3 x^(n-3)
    c, n = float(module(torch.ones(1, dtype=torch.float64))), 9 if isinstance(module, TwiceIntegratedReLU) else 6
    for _ in range(3):
        (result,) = grad(result.sum(), x, create_graph=True)
    assert_close(result, n * (n - 1) * (n - 2) * c**3 * x ** (n - 3))


@every_module
def test_no_state_and_copies(module: Any) -> None:
    assert not list(module.parameters())
    assert not list(module.buffers())
    assert not module.state_dict()
    x = torch.linspace(-2, 2, 9)
    for clone in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), activation(module.spec)):
        assert clone.spec == module.spec
        assert torch.equal(clone(x), module(x))


@every_module
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_dtype_and_shape_are_kept(module: torch.nn.Module, dtype: torch.dtype) -> None:
    x = torch.linspace(-2, 2, 12, dtype=dtype).view(3, 2, 2).transpose(0, 2).requires_grad_()
    value = module(x)
    (first,) = grad(value.sum(), x)
    assert value.dtype == first.dtype == dtype
    assert value.shape == first.shape == x.shape
    exact = module(x.detach().double())
    tolerance = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(value.detach().double(), exact, rtol=tolerance, atol=tolerance)


@every_module
def test_input_is_left_as_it_was(module: torch.nn.Module) -> None:
    x = torch.tensor([-1.0, 2.0])
    module(x)
    assert x.tolist() == [-1.0, 2.0]


@every_module
def test_autocast(module: torch.nn.Module) -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    weight = torch.eye(3, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (forces,) = grad(module(x @ weight).float().sum(), x, create_graph=True)
        forces.square().sum().backward()
    assert forces.dtype == torch.float32
    assert weight.grad is not None
    assert weight.grad.isfinite().all()


@every_module
def test_traces_under_make_fx_with_its_force(module: torch.nn.Module) -> None:
    from torch.fx.experimental.proxy_tensor import make_fx

    def forces(x: torch.Tensor) -> torch.Tensor:
        return grad(module(x).sum(), x, create_graph=True)[0]

    x = torch.tensor([-1.0, 0.5, 2.0], requires_grad=True)
    other = torch.tensor([3.0, -0.5, 1.0], requires_grad=True)
    assert torch.equal(make_fx(forces)(x)(other), forces(other))


@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), float("inf"), True, None, "half", [0.5], torch.tensor(0.5)])
def test_bad_coefficient(bad: Any) -> None:
    for make in (IReLU, TwiceIntegratedReLU, lambda c: IntegratedLeakyReLU(0.1, c)):
        with pytest.raises(UserError, match=r"coefficient: got .*expected a finite positive number or 'unit_moment'"):
            make(bad)


def test_messages_mend() -> None:
    with pytest.raises(UserError, match="Did you mean 'unit_moment'"):
        IReLU("unit_momemt")
    with pytest.raises(UserError, match=r"write 1\.0e-3 without quotes"):
        IReLU("1e-3")
    with pytest.raises(UserError, match="alpha: got -1, expected a finite positive number"):
        IntegratedELU(-1)
    with pytest.raises(UserError, match="negative_slope: got True, expected a finite number"):
        IntegratedLeakyReLU(True)


def test_repr() -> None:
    assert repr(IReLU()) == "IReLU(coefficient=0.5)"
    assert repr(IntegratedLeakyReLU()) == "IntegratedLeakyReLU(negative_slope=0.01, coefficient=0.5)"
    assert repr(IntegratedELU(2)) == "IntegratedELU(alpha=2)"
    assert repr(TwiceIntegratedReLU(0.25)) == "TwiceIntegratedReLU(coefficient=0.25)"


@pytest.mark.parametrize("name", ["irelu", "twice_integrated_relu", "integrated_leaky_relu", "integrated_elu"])
def test_integers_are_taken_as_numbers(name):
    function = activation(name)
    found = function(torch.arange(-2, 3))
    assert found.dtype == torch.get_default_dtype()
    assert torch.equal(found, function(torch.arange(-2.0, 3.0)))


def test_complex_numbers_are_refused_rather_than_cut():
    with pytest.raises(UserError, match=r"got a tensor of torch\.complex64, expected real numbers"):
        IReLU()(torch.ones(2, dtype=torch.complex64))
