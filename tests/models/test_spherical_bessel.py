"""Spherical Bessel functions, envelopes and harmonics against scipy, torch_geometric and autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import spherical_jn
from torch_geometric.nn.models.dimenet import Envelope
from torch_geometric.nn.models.dimenet_utils import Jn_zeros

from ocp_dc.models.envelopes import envelope_slope, polynomial_envelope
from ocp_dc.models.legendre import zonal_harmonics, zonal_harmonics_and_slopes
from ocp_dc.models.spherical_bessel import bessel_zeros, radial_constants, spherical_bessel


@pytest.mark.parametrize("orders", [1, 2, 7, 10, 20])
def test_spherical_bessel_functions(orders: int) -> None:
    """On both sides of the bound between series and recurrence; errors relative to the amplitude 1 / y."""
    y = torch.logspace(-3, 2.3, 1000, dtype=torch.float64)
    found = spherical_bessel(y[:, None, None].expand(-1, orders, 1))
    amplitude = y.clamp(min=1)
    for shift, values in enumerate(found):
        for order in range(orders):
            expected = torch.from_numpy(spherical_jn(order + shift, y.numpy()))
            error = ((values[:, order, 0] - expected).abs() * amplitude).max()
            assert error < (1e-12 if orders <= 10 else 1e-9), (order, shift)


def test_derivatives_by_autograd() -> None:
    """The full form: first and second derivatives on both sides of the bound."""
    y = torch.tensor([0.2, 0.9, 1.1, 2.4, 2.6, 8.0], dtype=torch.float64, requires_grad=True)
    values = spherical_bessel(y[:, None, None].expand(-1, 6, 1))[0][:, 5, 0]
    (first,) = torch.autograd.grad(values.sum(), y, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), y)
    x = y.detach().numpy()
    slope = spherical_jn(5, x, derivative=True)
    curvature = -2 / x * slope - (1 - 30 / x**2) * spherical_jn(5, x)  # the differential equation
    torch.testing.assert_close(first.detach(), torch.from_numpy(slope), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(second, torch.from_numpy(curvature), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(("orders", "count"), [(1, 1), (3, 3), (7, 6), (10, 20)])
def test_zeros_are_those_of_torch_geometric(orders: int, count: int) -> None:
    zeros, norms = radial_constants(orders, count)
    assert np.array_equal(np.array(zeros, dtype=np.float32), Jn_zeros(orders, count))
    for order, row in enumerate(bessel_zeros(orders, count)):
        assert np.abs(spherical_jn(order, row)).max() < 1e-14
    # orthonormal with the weight x², by Gauss-Legendre quadrature
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x, weights = (nodes + 1) / 2, weights / 2
    for order in range(orders):
        values = np.array(norms[order])[:, None] * spherical_jn(order, np.outer(zeros[order], x))
        assert np.abs((values * x**2 * weights) @ values.T - np.eye(count)).max() < 1e-5  # zeros rounded to float32


@pytest.mark.parametrize("exponent", [5, 6])
def test_envelope(exponent: int) -> None:
    x = torch.linspace(0.05, 1.2, 50, dtype=torch.float64, requires_grad=True)
    values = polynomial_envelope(x, exponent + 1)
    torch.testing.assert_close(values, Envelope(exponent)(x), rtol=1e-12, atol=1e-12)
    (slope,) = torch.autograd.grad(values.sum(), x)
    torch.testing.assert_close(envelope_slope(x.detach(), exponent + 1), slope, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_slopes_of_harmonics(count: int) -> None:
    cosines = torch.linspace(-1, 1, 21, dtype=torch.float64)
    values, slopes = zonal_harmonics_and_slopes(cosines, count)
    assert torch.equal(values, zonal_harmonics(cosines, count))
    expected = torch.func.vmap(torch.func.jacrev(lambda x: zonal_harmonics(x[None], count)[0]))(cosines)
    torch.testing.assert_close(slopes, expected, rtol=1e-12, atol=1e-12)
