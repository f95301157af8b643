"""GemNet's bases of distances and angles, with their slopes, and envelopes (arXiv 2106.08903, section 3).

The functions take modules with the attributes of fairchem 1.10's bases: ours from this file, or fairchem's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import UserError, nearest

ValueAndSlope = tuple[Tensor, Tensor]
# the path of softplus, which keeps the width of the Bernstein basis (rbf: {name: bernstein}) positive
BERNSTEIN = r"(^|\.)softplus$"


class PolynomialEnvelope(nn.Module):
    """1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2); value and first two derivatives vanish at x = 1.

    Args:
        exponent: p.
    """

    def __init__(self, exponent: int) -> None:
        super().__init__()
        self.p = float(exponent)


class ExponentialEnvelope(nn.Module):
    """exp(-x² / (1 - x²)), whose derivatives all vanish at x = 1 (Unke et al., arXiv 2105.00304)."""


class GaussianSmearing(nn.Module):
    """exp(-(x - μ)² / 2Δ²), whose centers μ are Δ apart.

    Args:
        start: the first center.
        stop: the last center.
        num_gaussians: the number of Gaussians.
    """

    offset: Tensor

    def __init__(self, start: float, stop: float, num_gaussians: int) -> None:
        super().__init__()
        offset = torch.linspace(start, stop, num_gaussians)
        self.coeff = -0.5 / (offset[1] - offset[0]).item() ** 2
        self.register_buffer("offset", offset)


class SphericalBesselBasis(nn.Module):
    """Spherical Bessel functions of order 0, (2 / cutoff³)^½ sin(f x) / x, whose frequencies f are trained.

    Args:
        num_radial: the number of functions.
        cutoff: in Å.
    """

    def __init__(self, num_radial: int, cutoff: float) -> None:
        super().__init__()
        self.norm_const = math.sqrt(2 / cutoff**3)
        self.frequencies = nn.Parameter(math.pi * torch.arange(1, num_radial + 1, dtype=torch.float32))


class BernsteinBasis(nn.Module):
    """Bernstein polynomials of exp(-γ x); softplus of ``pregamma``, γ, is trained (Unke et al., arXiv 2105.00304).

    Args:
        num_radial: the number of functions.
        pregamma_initial: the first value of ``pregamma``.
    """

    prefactor: Tensor
    exp1: Tensor
    exp2: Tensor

    def __init__(self, num_radial: int, pregamma_initial: float = 0.45264) -> None:
        super().__init__()
        binomials = [float(math.comb(num_radial - 1, order)) for order in range(num_radial)]
        self.register_buffer("prefactor", torch.tensor(binomials), persistent=False)
        self.pregamma = nn.Parameter(torch.tensor(pregamma_initial, dtype=torch.float32))
        self.softplus = nn.Softplus()
        orders = torch.arange(num_radial)
        self.register_buffer("exp1", orders[None, :], persistent=False)
        self.register_buffer("exp2", num_radial - 1 - orders[None, :], persistent=False)


class RadialBasis(nn.Module):
    """A basis of distances, multiplied by an envelope.

    Args:
        num_radial: the number of functions.
        cutoff: in Å.
        rbf: ``name``, one of gaussian, spherical_bessel and bernstein, and arguments of that basis.
        envelope: ``name``, polynomial or exponential, and arguments of that envelope.
    """

    envelope: nn.Module
    rbf: nn.Module

    def __init__(self, num_radial: int, cutoff: float, rbf: Mapping[str, Any], envelope: Mapping[str, Any]) -> None:
        super().__init__()
        self.inv_cutoff = 1 / cutoff
        envelopes = {"polynomial": PolynomialEnvelope, "exponential": ExponentialEnvelope}
        self.envelope = _build(envelopes, envelope, "envelope")
        bases = {
            "gaussian": lambda **options: GaussianSmearing(0, 1, num_radial, **options),
            "spherical_bessel": lambda **options: SphericalBesselBasis(num_radial, cutoff, **options),
            "bernstein": lambda **options: BernsteinBasis(num_radial, **options),
        }
        self.rbf = _build(bases, rbf, "rbf")


class CircularBasis(nn.Module):
    """A basis of distances and a basis of cosines of angles.

    Args:
        num_spherical: the number of functions of the cosine.
        radial_basis: the basis of distances.
        cbf: ``name``, spherical_harmonics or gaussian, and arguments of that basis of cosines.
    """

    def __init__(self, num_spherical: int, radial_basis: RadialBasis, cbf: Mapping[str, Any]) -> None:
        super().__init__()
        self.radial_basis = radial_basis
        bases: dict[str, Callable[..., Any]] = {
            "gaussian": lambda **options: GaussianSmearing(-1, 1, num_spherical, **options),
            "spherical_harmonics": lambda: None,
        }
        self.cosφ_basis = _build(bases, cbf, "cbf")


def expand(basis: Callable[[Tensor], ValueAndSlope], x: Tensor, dim: int, first_order: bool) -> Tensor:
    """Return basis functions of ``x`` in one of the two forms of :class:`~ocp_dc.models.potential.Potential`.

    Args:
        basis: returns the functions and their slopes, with the functions along ``dim``.
        x: the argument of the functions.
        dim: the dimension that the result has and ``x`` has not.
        first_order: whether higher derivatives by ``x`` are not needed.
    """
    if not first_order:
        return basis(x)[0]
    value, slope = basis(x.detach())
    return torch.addcmul(value, (x - x.detach()).unsqueeze(dim), slope)


def radial(basis: Any, distances: Tensor) -> ValueAndSlope:
    """Return the functions of a :class:`RadialBasis`, or of fairchem's, of distances [M], and their slopes, [M, K]."""
    x = distances * basis.inv_cutoff
    envelope, envelope_slope = _envelope(basis.envelope, x)
    functions, slopes = _functions(basis.rbf, x[:, None])
    slope = (envelope_slope[:, None] * functions + envelope[:, None] * slopes) * basis.inv_cutoff
    return envelope[:, None] * functions, slope


def circular(basis: Any, num_spherical: int, cosines: Tensor) -> ValueAndSlope:
    """Return functions of the cosines of angles, and their slopes.

    Args:
        basis: a :class:`CircularBasis`, or fairchem's.
        num_spherical: the number S of its functions.
        cosines: [..., K].

    Returns:
        [..., S, K] each.
    """
    return cosine_functions(basis.cosφ_basis, num_spherical, cosines)


def cosine_functions(gaussians: Any, num_spherical: int, cosines: Tensor) -> ValueAndSlope:
    """Return :func:`circular` of ``gaussians``, or of Legendre polynomials if it has no centers."""
    if hasattr(gaussians, "offset"):
        value, slope = _functions(gaussians, cosines[..., None])
        return value.transpose(-1, -2), slope.transpose(-1, -2)
    return legendre(cosines, num_spherical)


def legendre(x: Tensor, count: int) -> ValueAndSlope:
    """Return the spherical harmonics Y_l0 = ((2l+1) / 4π)^½ P_l(x), l < count, and their slopes, [..., count, K].

    Both by recurrence: (l+1) P_{l+1} = (2l+1) x P_l - l P_{l-1} and P'_{l+1} = (2l+1) P_l + P'_{l-1}.
    """
    values, slopes = [torch.ones_like(x), x], [torch.zeros_like(x), torch.ones_like(x)]
    for degree in range(1, count - 1):
        values.append(((2 * degree + 1) * x * values[-1] - degree * values[-2]) / (degree + 1))
        slopes.append((2 * degree + 1) * values[-2] + slopes[-2])
    norms = [math.sqrt((2 * degree + 1) / (4 * math.pi)) for degree in range(count)]
    return (
        torch.stack([norm * value for norm, value in zip(norms, values, strict=False)], dim=-2),
        torch.stack([norm * slope for norm, slope in zip(norms, slopes, strict=False)], dim=-2),
    )


def _functions(rbf: Any, x: Tensor) -> ValueAndSlope:
    """Return the functions of a basis without envelope, and their slopes, [..., K], of ``x`` [..., 1]."""
    if hasattr(rbf, "offset"):  # Gaussians
        distances = x - rbf.offset
        value = torch.exp(rbf.coeff * distances.square())
        return value, 2 * rbf.coeff * distances * value
    if hasattr(rbf, "frequencies"):  # spherical Bessel functions
        phase = rbf.frequencies * x
        value = rbf.norm_const * torch.sin(phase) / x
        return value, (rbf.norm_const * rbf.frequencies * torch.cos(phase) - value) / x
    # Bernstein polynomials B(t) of t = exp(-γ x); dt/dx = -γ t
    gamma = rbf.softplus(rbf.pregamma)
    t = torch.exp(-gamma * x)
    value = rbf.prefactor * t**rbf.exp1 * (1 - t) ** rbf.exp2
    lower = t * (1 - t) ** (rbf.exp2 - 1).clamp(min=0)
    slope = rbf.prefactor * t**rbf.exp1 * (rbf.exp1 * (1 - t) ** rbf.exp2 - rbf.exp2 * lower)
    return value, -gamma * slope


def _envelope(envelope: Any, x: Tensor) -> ValueAndSlope:
    """Return an envelope of ``x`` [M] and its slope, [M] each; zero for x >= 1."""
    inside = x < 1
    if hasattr(envelope, "p"):
        p: float = envelope.p
        a, b, c = -(p + 1) * (p + 2) / 2, p * (p + 2), -p * (p + 1) / 2
        power = x ** (p - 1)
        value = 1 + power * x * (a + x * (b + x * c))
        slope = power * (a * p + x * (b * (p + 1) + x * c * (p + 2)))
    else:
        x = torch.where(inside, x, 0)  # no division by 0, whose derivative would not be finite
        rest = 1 - x.square()
        value = torch.exp(-x.square() / rest)
        slope = -2 * x / rest.square() * value
    return torch.where(inside, value, 0), torch.where(inside, slope, 0)


def _build(choices: Mapping[str, Callable[..., Any]], block: Mapping[str, Any], key: str) -> Any:
    """Build the choice of a block like ``{name: gaussian}``; the other keys are its arguments."""
    options = {option: value for option, value in block.items() if option != "name"}
    given = block.get("name")
    name = str(given).lower()
    if name not in choices:
        raise UserError(
            f"model.{key}.name: got {given!r}, expected one of {', '.join(choices)}.{nearest(name, choices)}"
        )
    return choices[name](**options)
