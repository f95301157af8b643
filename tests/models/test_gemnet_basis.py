"""GemNet's bases: values against numpy, slopes against differences, and the first-order form."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.models.gemnet_basis import CircularBasis, RadialBasis, circular, expand, legendre, radial

BASES = ("gaussian", "spherical_bessel", "bernstein")
ENVELOPES = ({"name": "polynomial", "exponent": 5}, {"name": "exponential"})
DISTANCES = torch.tensor([0.3, 1.1, 2.5, 3.9, 3.999, 4.0, 4.5], dtype=torch.float64)
INSIDE = 5  # of the distances


def basis(rbf: str, envelope: int = 0) -> RadialBasis:
    return RadialBasis(5, 4.0, {"name": rbf}, ENVELOPES[envelope]).double()


@pytest.mark.parametrize("envelope", [0, 1])
@pytest.mark.parametrize("rbf", BASES)
def test_slopes_are_the_derivatives_of_the_values(rbf: str, envelope: int) -> None:
    functions = functools.partial(radial, basis(rbf, envelope))
    distances = DISTANCES.clone().requires_grad_()
    value, slope = functions(distances)
    for column in range(5):
        expected = torch.autograd.grad(value[:, column].sum(), distances, retain_graph=True)[0]
        torch.testing.assert_close(slope[:, column], expected, rtol=1e-9, atol=1e-11)
    assert not value[INSIDE:].any()
    assert not slope[INSIDE:].any()


def test_values() -> None:
    x = DISTANCES[:INSIDE] / 4
    polynomial = 1 - 21 * x**5 + 35 * x**6 - 15 * x**7
    gaussians = torch.exp(-0.5 * ((x[:, None] - torch.linspace(0, 1, 5)) / 0.25) ** 2)
    waves = math.sqrt(2 / 4**3) * torch.sin(x[:, None] * math.pi * torch.arange(1, 6)) / x[:, None]
    t = torch.exp(-math.log1p(math.exp(0.45264)) * x)[:, None]
    bernstein = torch.tensor([1.0, 4, 6, 4, 1]) * t ** torch.arange(5) * (1 - t) ** torch.arange(4, -1, -1)
    for rbf, expected in zip(BASES, (gaussians, waves, bernstein), strict=True):
        found = radial(basis(rbf), DISTANCES[:INSIDE])[0]
        torch.testing.assert_close(found, polynomial[:, None] * expected, rtol=1e-5, atol=1e-7)  # float32 numbers


@pytest.mark.parametrize("count", [1, 2, 7])
def test_legendre_polynomials(count: int) -> None:
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    value, slope = legendre(x, count)
    assert value.shape == slope.shape == (count, 9)
    for degree in range(count):
        polynomial = np.polynomial.Legendre.basis(degree)
        norm = math.sqrt((2 * degree + 1) / (4 * math.pi))
        np.testing.assert_allclose(value[degree], norm * polynomial(x.numpy()), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(slope[degree], norm * polynomial.deriv()(x.numpy()), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["spherical_harmonics", "gaussian"])
def test_the_first_order_form_has_the_value_and_the_first_derivative(name: str) -> None:
    functions = functools.partial(circular, CircularBasis(4, basis("gaussian"), {"name": name}).double(), 4)
    cosines = torch.linspace(-0.9, 0.8, 12, dtype=torch.float64).view(2, 2, 3).requires_grad_()
    weight = torch.linspace(1, 2, 4, dtype=torch.float64)[:, None]
    results = []
    for first_order in (True, False):
        expanded = expand(functions, cosines, -2, first_order)
        assert expanded.shape == (2, 2, 4, 3)
        results.append((expanded, torch.autograd.grad((expanded * weight).sum(), cosines)[0]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("rbf", ["spherical_bessel", "bernstein"])
def test_trained_numbers_have_gradients_through_values_and_slopes(rbf: str) -> None:
    trained = basis(rbf)
    distances = DISTANCES[:INSIDE].clone().requires_grad_()
    results = []
    for first_order in (True, False):
        value = expand(functools.partial(radial, trained), distances, -1, first_order)
        slope = torch.autograd.grad(value.square().sum(), distances, create_graph=True)[0]
        results.append(torch.autograd.grad(value.sum() + slope.square().sum(), list(trained.parameters())))
    torch.testing.assert_close(results[0], results[1], rtol=1e-10, atol=1e-12)


def test_unknown_names() -> None:
    with pytest.raises(UserError, match=r"model.rbf.name: got 'gausian', .* Did you mean 'gaussian'\?"):
        basis("gausian")
    with pytest.raises(UserError, match=r"model.cbf.name: got 'legendre', expected one of gaussian, spherical_harm"):
        CircularBasis(4, basis("gaussian"), {"name": "legendre"})
