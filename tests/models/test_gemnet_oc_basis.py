"""GemNet-OC's bases: values against scipy, slopes against differentiation, and the sums against their definition."""

from __future__ import annotations

import functools
import types

import numpy as np
import pytest
import torch
from scipy.special import lpmv
from torch import Tensor

from ocp_dc.models.gemnet_basis import expand
from ocp_dc.models.gemnet_oc_basis import (
    associated_legendre,
    dihedral_angle,
    dihedral_cosine,
    harmonic_lengths,
    outer_functions,
    outer_lengths,
    projected,
    waves,
)

COSINES = torch.tensor([-0.95, -0.3, 0.0, 0.2, 0.9], dtype=torch.float64)
ANGLES = torch.tensor([0.0, 0.4, 1.7, 2.9, 3.1], dtype=torch.float64)
COUNT = 4


def harmonics(cosines: Tensor, angles: Tensor) -> Tensor:
    """Real spherical harmonics as fairchem orders them, [M, S * S]; without the phase of Condon and Shortley."""
    columns = []
    for degree in range(COUNT):
        for order in (*range(degree + 1), *range(-degree, 0)):
            m = abs(order)
            norm = (2 * degree + 1) / (4 * np.pi) * np.prod([1.0 / k for k in range(degree - m + 1, degree + m + 1)])
            wave = np.cos(m * angles.numpy()) if order >= 0 else np.sin(m * angles.numpy())
            polynomial = (-1) ** m * lpmv(m, degree, cosines.numpy())
            columns.append(np.sqrt(norm * (2 if m else 1)) * polynomial * wave)
    return torch.from_numpy(np.stack(columns, axis=1))


def embedding(functions: int, emb_size: int = 3, radial: int = 2) -> types.SimpleNamespace:
    torch.manual_seed(0)
    return types.SimpleNamespace(weight=torch.randn(radial, functions, emb_size, dtype=torch.float64))


def test_associated_legendre_slopes() -> None:
    x = COSINES.clone().requires_grad_()
    value, slope = associated_legendre(COUNT, x)
    assert value.shape == slope.shape == (5, COUNT * COUNT)
    for column in range(COUNT * COUNT):
        expected = torch.autograd.grad(value[:, column].sum(), x, retain_graph=True)[0]
        torch.testing.assert_close(slope[:, column], expected, rtol=1e-10, atol=1e-12)


def test_wave_slopes() -> None:
    angles = ANGLES.clone().requires_grad_()
    value, slope = waves(COUNT, angles)
    assert value.shape == slope.shape == (2 * COUNT - 1, 5)
    for wave in range(2 * COUNT - 1):
        expected = torch.autograd.grad(value[wave].sum(), angles, retain_graph=True)[0]
        torch.testing.assert_close(slope[wave], expected, rtol=1e-10, atol=1e-12)


def test_sums_over_harmonics() -> None:
    """The factors of the waves, times the waves, are the projected functions times the harmonics."""
    layer, rbf, rows = embedding(COUNT * COUNT), torch.randn(3, 2, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0])
    lengths = harmonic_lengths(layer, rbf, rows, associated_legendre(COUNT, COSINES)[0])  # [5, 3, 2 S - 1]
    found = (lengths * waves(COUNT, ANGLES)[0].t()[:, None]).sum(-1)
    expected = (projected(layer, rbf)[rows] * harmonics(COSINES, ANGLES)[:, None]).sum(-1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def test_sums_over_products() -> None:
    layer, rbf, rows = embedding(COUNT * COUNT), torch.randn(3, 2, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0])
    one, other = (outer_functions(None, COUNT, x[:, None], False)[:, :, 0] for x in (COSINES, ANGLES.cos()))
    found = (outer_lengths(layer, rbf, rows, one) * other[:, None]).sum(-1)  # [5, 3]
    products = (one[:, :, None] * other[:, None]).flatten(1)  # [5, S * S], the second varying fastest
    expected = (projected(layer, rbf)[rows] * products[:, None]).sum(-1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("sign", [1, -1])
def test_dihedral_angles(sign: int) -> None:
    length = torch.linspace(0.2, 0.9, 4, dtype=torch.float64)
    angles = ANGLES[1:]
    x, y = (length * angles.cos()).requires_grad_(), (sign * length * angles.sin()).requires_grad_()
    for function, expected in ((dihedral_angle, angles), (dihedral_cosine, angles.cos())):
        forms = []
        for first_order in (True, False):
            value = function(x, y, first_order)
            torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-13)
            forms.append(torch.autograd.grad(value.sum(), (x, y)))
        torch.testing.assert_close(*forms, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("function", [dihedral_angle, dihedral_cosine])
def test_atoms_in_a_plane_or_on_a_line(function: functools.partial[Tensor]) -> None:
    """No derivative by the sine, which has a kink there, and finite ones."""
    x = torch.tensor([0.5, -0.5, 0.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.0, 1e-10, 0.0], dtype=torch.float64, requires_grad=True)
    forms = [torch.autograd.grad(function(x, y, first_order).sum(), (x, y)) for first_order in (True, False)]
    torch.testing.assert_close(*forms, rtol=1e-9, atol=1e-12)
    assert not forms[0][1].any()
    assert torch.isfinite(forms[0][0]).all()


def test_first_order_form_of_harmonics() -> None:
    x = COSINES.clone().requires_grad_()
    forms = [expand(functools.partial(associated_legendre, COUNT), x, -1, first_order) for first_order in (True, False)]
    gradients = [torch.autograd.grad(form.square().sum(), x)[0] for form in forms]
    torch.testing.assert_close(forms[0], forms[1])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-11, atol=1e-12)
