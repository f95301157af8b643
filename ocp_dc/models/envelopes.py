"""Smooth cutoffs: polynomials that fall to zero at the cutoff together with their first two derivatives."""

from __future__ import annotations

from torch import Tensor


def polynomial_envelope(x: Tensor, p: int) -> Tensor:
    """Return u(x) = 1/x + a x^(p-1) + b x^p + c x^(p+1) for x < 1 and zero beyond (arXiv 2003.03123, equation 8).

    Args:
        x: distances divided by the cutoff, of any shape; positive.
        p: the order, DimeNet's ``envelope_exponent`` + 1.
    """
    a, b, c = _coefficients(p)
    value = 1 / x + x.pow(p - 1) * (a + x * (b + c * x))
    return value * (x < 1)


def envelope_slope(x: Tensor, p: int) -> Tensor:
    """Return the derivative u'(x) of :func:`polynomial_envelope`."""
    a, b, c = _coefficients(p)
    slope = x.pow(p - 2) * (a * (p - 1) + x * (b * p + c * (p + 1) * x)) - x.pow(-2)
    return slope * (x < 1)


def _coefficients(p: int) -> tuple[float, float, float]:
    """Return a, b and c, for which u, u' and u'' are zero at 1."""
    return -(p + 1) * (p + 2) / 2, float(p * (p + 2)), -p * (p + 1) / 2
