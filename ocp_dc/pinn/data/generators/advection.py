"""1D advection: the exact solution for a sum of sines."""

from __future__ import annotations

import numpy as np

from ocp_dc.pinn.data.generators.grids import cell_centers, random_waves
from ocp_dc.pinn.physics.solution import Solution

BETA = 0.1
DOMAIN = (0.0, 1.0)
END = 2.0


def solve(size: int, times: int, seed: int) -> Solution:
    """Return the exact solution u(x, t) = u_0(x - beta t) of u_t + beta u_x = 0, periodic on [0, 1], t up to 2.

    u_0 is a sum of two sines with whole wave numbers from 1 to 8, amplitudes from [0.5, 1) and random phases: the
    family of PDEBench's initial conditions (arXiv 2210.07182, equation 8), but never near 0 as its amplitudes from
    [0, 1) can be, and without the absolute values and windows of a tenth of its samples, which have kinks.

    Args:
        size: cells; values are at their centers.
        times: instants, the first 0 and the last 2.
        seed: of the initial condition.
    """
    x, t = cell_centers(*DOMAIN, size), np.linspace(0.0, END, times)
    waves = random_waves(np.random.default_rng(seed), largest=8, period=DOMAIN[1] - DOMAIN[0])
    u = waves(x[None, :] - BETA * t[:, None])  # [T, X]
    return Solution("advection", {"t": t, "x": x}, {"u": u}, {"beta": BETA})
