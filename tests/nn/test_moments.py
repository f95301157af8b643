from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from ocp_dc.nn import IReLU, TwiceIntegratedReLU, activation, activation_names, second_moment, unit_moment_coefficient
from ocp_dc.testing.tolerances import ROUNDING

RELATIVE = ROUNDING[torch.float64][0]


def by_quad(f: Callable[[torch.Tensor], torch.Tensor]) -> float:
    """E[f(x)^2] by adaptive quadrature on each side of 0."""

    def integrand(x: float) -> float:
        value = float(f(torch.tensor([x], dtype=torch.float64)))
        return value**2 * math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)

    return sum(quad(integrand, *side, epsabs=1e-14, epsrel=1e-13)[0] for side in ((-12, 0), (0, 12)))


@pytest.mark.parametrize("name", activation_names())
def test_against_adaptive_quadrature(name: str) -> None:
    f = activation(name)
    assert second_moment(f) == pytest.approx(by_quad(f), rel=RELATIVE)


@pytest.mark.parametrize(
    ("f", "expected"),
    [(lambda x: x, 1.0), (lambda x: x**3, 15.0), (torch.relu, 0.5), (torch.sin, (1 - math.exp(-2)) / 2)],
)
def test_known_moments(f: Callable[[torch.Tensor], torch.Tensor], expected: float) -> None:
    assert second_moment(f) == pytest.approx(expected, rel=RELATIVE)


def test_kink_at_another_integer() -> None:
    assert second_moment(lambda x: (x > 1).to(x.dtype)) == pytest.approx(math.erfc(1 / math.sqrt(2)) / 2, rel=RELATIVE)


def test_unit_moment_coefficient() -> None:
    assert unit_moment_coefficient() == pytest.approx(math.sqrt(2 / 3), rel=RELATIVE)
    assert IReLU("unit_moment").coefficient == unit_moment_coefficient()
    assert second_moment(IReLU("unit_moment")) == pytest.approx(1, rel=RELATIVE)
    # E[max(0, x)^6] = 15 / 2
    assert unit_moment_coefficient(3) == pytest.approx(math.sqrt(2 / 15), rel=RELATIVE)
    assert TwiceIntegratedReLU("unit_moment").coefficient == unit_moment_coefficient(3)
    assert second_moment(TwiceIntegratedReLU("unit_moment")) == pytest.approx(1, rel=RELATIVE)


def test_unit_moment_on_samples() -> None:
    x = torch.from_numpy(np.random.default_rng(0).standard_normal(1_000_000))
    # the standard deviation of f^2 is sqrt((2/3)^2 * E[relu^8] - 1) = 4.7, so of the mean 0.005: four of them
    assert float(IReLU("unit_moment")(x).square().mean()) == pytest.approx(1, abs=0.02)
