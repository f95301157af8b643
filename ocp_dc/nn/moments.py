"""Moments of activations under a standard normal input, by quadrature in float64."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch

_REACH = 16  # half the width of the interval; the normal density at its ends is 1e-56
_NODES = 20  # per panel of width 1: smooth integrands are exact to rounding


def second_moment(f: Callable[[torch.Tensor], torch.Tensor]) -> float:
    """Return E[f(x)^2] for x ~ N(0, 1).

    Composite Gauss-Legendre quadrature on panels of width 1 that end on the integers: a kink at 0, or at any other
    integer, is on the border of two panels and costs no accuracy.

    Args:
        f: an elementwise function of a float64 tensor [n] on the CPU.
    """
    nodes, weights = _gauss_legendre(_NODES)
    left = torch.arange(-_REACH, _REACH, dtype=torch.float64, device="cpu")
    x = left[:, None] + (nodes + 1) / 2  # [panels, nodes]
    density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
    with torch.no_grad():
        values = f(x.flatten()).view_as(x)
    return float((values.square() * density * weights / 2).sum())


@functools.cache
def unit_moment_coefficient(power: int = 2) -> float:
    """Return the c with E[f(x)^2] = 1 for f(x) = c max(0, x)^power and x ~ N(0, 1).

    It is sqrt(2/3) for the square and sqrt(2/15) for the cube.
    """
    return 1 / math.sqrt(second_moment(lambda x: torch.relu(x) ** power))


def _gauss_legendre(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return nodes and weights of shape [n] on (-1, 1): eigenpairs of the Jacobi matrix (Golub and Welsch, 1969)."""
    k = torch.arange(1, n, dtype=torch.float64, device="cpu")
    off_diagonal = k / torch.sqrt(4 * k**2 - 1)
    nodes, vectors = torch.linalg.eigh(torch.diag(off_diagonal, 1) + torch.diag(off_diagonal, -1))
    return nodes, 2 * vectors[0].square()
