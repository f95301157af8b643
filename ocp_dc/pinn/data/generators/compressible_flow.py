"""1D compressible Navier-Stokes, nearly inviscid: a Fourier method in conserved variables, for smooth flow."""

from __future__ import annotations

import numpy as np

from ocp_dc.pinn.data.generators.grids import cell_centers, integrate, random_waves, refinement
from ocp_dc.pinn.physics.solution import Solution

GAMMA = 5 / 3
ETA = ZETA = 1e-8
DOMAIN = (-1.0, 1.0)  # PDEBench, data_gen_NLE/CompressibleFluid/config/args/1D_Multi.yaml
PERIOD = DOMAIN[1] - DOMAIN[0]
END = 1.0
STEEPNESS = 0.4  # largest slope of an initial field: waves steepen, but break only after END
FINEST = 256  # the least number of cells of the solver


def solve(size: int, times: int, seed: int) -> Solution:
    """Return a smooth solution on [-1, 1], periodic, t up to 1: density, velocity and pressure.

    The equations are those of PDEBench (arXiv 2210.07182) for one dimension, with gamma = 5/3 and
    eta = zeta = 1e-8. Initial fields are backgrounds (1, 0, 1) plus sums of two sines each, scaled to a small slope:
    PDEBench's own have slopes of any size and break into shocks, which this method cannot follow.

    Args:
        size: cells; values are at their centers.
        times: instants, the first 0 and the last 1.
        seed: of the initial condition.
    """
    factor = refinement(size, FINEST)
    x, t = cell_centers(*DOMAIN, size), np.linspace(0.0, END, times)
    fine = cell_centers(*DOMAIN, size * factor)
    fields = evolve(initial_fields(fine, seed), t)[..., factor // 2 :: factor]
    named = dict(zip(("density", "velocity", "pressure"), np.moveaxis(fields, 1, 0), strict=True))
    return Solution("compressible_flow", {"t": t, "x": x}, named, {"eta": ETA, "zeta": ZETA})


def initial_fields(x: np.ndarray, seed: int) -> np.ndarray:
    """Return [3, X] density, velocity and pressure at t = 0."""
    generator = np.random.default_rng(seed)
    fields = []
    for background in (1.0, 0.0, 1.0):
        waves = random_waves(generator, largest=3, period=PERIOD)
        dense = np.linspace(*DOMAIN, 4097)
        slope = np.abs(np.gradient(waves(dense), dense)).max()
        fields.append(background + STEEPNESS / slope * waves(x))
    return np.stack(fields)


def evolve(
    fields: np.ndarray, t: np.ndarray, eta: float = ETA, zeta: float = ZETA, period: float = PERIOD
) -> np.ndarray:
    """Return [T, 3, X] density, velocity and pressure at the times t.

    Args:
        fields: [3, X] the same at t[0], at equidistant points of a periodic domain.
        t: [T] rising times.
        eta: shear viscosity.
        zeta: bulk viscosity.
        period: length of the domain.

    The sums over the points of density, momentum and energy are kept to rounding: each changes by a derivative, whose
    Fourier coefficient at wave number 0 is 0.
    """
    density, velocity, pressure = fields
    start = np.stack([density, density * velocity, pressure / (GAMMA - 1) + density * velocity**2 / 2])
    numbers = np.arange(start.shape[-1] // 2 + 1)
    kept = numbers <= start.shape[-1] // 3  # the 2/3 rule: aliased products of the highest waves are cut off
    factor = 2j * np.pi / period * numbers * kept

    def derivative(values: np.ndarray) -> np.ndarray:
        return np.fft.irfft(factor * np.fft.rfft(values), n=values.shape[-1])

    def rate(now: float, state: np.ndarray) -> np.ndarray:
        density, momentum, energy = state
        velocity = momentum / density
        pressure = (GAMMA - 1) * (energy - momentum * velocity / 2)
        stress = (zeta + 4 / 3 * eta) * derivative(velocity)  # eta v_xx + (zeta + eta / 3) v_xx in one dimension
        flux = [momentum, momentum * velocity + pressure - stress, (energy + pressure - stress) * velocity]
        return -derivative(np.stack(flux))

    density, momentum, energy = np.moveaxis(integrate(rate, start, t, "DOP853"), 1, 0)
    velocity = momentum / density
    return np.stack([density, velocity, (GAMMA - 1) * (energy - momentum * velocity / 2)], axis=1)
