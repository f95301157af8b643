"""1D diffusion-sorption: finite volumes of second order in space, scipy's LSODA in time."""

from __future__ import annotations

import numpy as np

from ocp_dc.pinn.data.generators.grids import cell_centers, integrate, refinement
from ocp_dc.pinn.physics.solution import Solution

# PDEBench, data_gen/configs/diff-sorp.yaml; sol is the value on the left wall
COEFFICIENTS = {"D": 5e-4, "por": 0.29, "rho_s": 2880.0, "k_f": 3.5e-4, "n_f": 0.874, "sol": 1.0}
END = 500.0
FINEST = 1000  # the least number of cells of the solver


def solve(size: int, times: int, seed: int) -> Solution:
    """Return a solution of R(u) u_t = D u_xx on [0, 1], t up to 500.

    R(u) = 1 + (1 - por) / por * rho_s * k_f * n_f * (u + 1e-6)^(n_f - 1), as PDEBench computes it. u = 1 on the left
    (x = 0), u = -D u_x on the right (x = 1), and u = u_0 at t = 0, one number from [0, 0.2).

    The sign on the right is that of PDEBench's generator (``data_gen/src/sim_diff_sorp.py``: outflow). Its
    physics-informed task (``models/pinn/train.py``) has u = D u_x, by which u would grow without bound at the wall.

    Args:
        size: cells; values are at their centers.
        times: instants, the first 0 and the last 500.
        seed: of u_0.
    """
    factor = refinement(size, FINEST)
    x, t = cell_centers(0.0, 1.0, size), np.linspace(0.0, END, times)
    start = np.full(size * factor, np.random.default_rng(seed).uniform(0.0, 0.2))
    u = evolve(start, t)[:, factor // 2 :: factor]
    return Solution("diffusion_sorption", {"t": t, "x": x}, {"u": u}, dict(COEFFICIENTS))


def retardation(u: np.ndarray) -> np.ndarray:
    """Return R(u), the Freundlich retardation factor; 1e-6 keeps it finite at u = 0."""
    c = COEFFICIENTS
    return 1 + (1 - c["por"]) / c["por"] * c["rho_s"] * c["k_f"] * c["n_f"] * (u + 1e-6) ** (c["n_f"] - 1)


def evolve(start: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the [T, X] values at the times t.

    Args:
        start: [X] values at t[0] at the centers of equal cells of [0, 1].
        t: [T] rising times.

    Slopes on the walls are those of the parabola through the wall's value and the two next cells, so that fluxes are
    of second order there as well.
    """
    size, width = len(start), 1 / len(start)
    diffusion, wall = COEFFICIENTS["D"], COEFFICIENTS["sol"]

    def rate(now: float, u: np.ndarray) -> np.ndarray:
        slopes = np.empty(size + 1)  # on the faces of the cells
        slopes[1:-1] = np.diff(u) / width
        slopes[0] = (-8 * wall + 9 * u[0] - u[1]) / (3 * width)
        # the wall's value is -D slope, so the slope is on both sides of its equation
        slopes[-1] = (u[-2] - 9 * u[-1]) / (3 * width + 8 * diffusion)
        return diffusion * np.diff(slopes) / width / retardation(np.maximum(u, 0.0))

    return integrate(rate, start, t, "LSODA", bands=2)
