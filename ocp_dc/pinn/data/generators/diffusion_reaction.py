"""2D diffusion-reaction (FitzHugh-Nagumo): a cosine method in space, scipy's Runge-Kutta of order 8 in time."""

from __future__ import annotations

import numpy as np
from scipy.fft import dctn, idctn

from ocp_dc.pinn.data.generators.grids import cell_centers, integrate
from ocp_dc.pinn.physics.solution import Solution

COEFFICIENTS = {"Du": 1e-3, "Dv": 5e-3, "k": 5e-3}  # PDEBench, data_gen/configs/diff-react.yaml
DOMAIN = (-1.0, 1.0)
END = 5.0
MODES = 3  # cosines in each direction in the initial condition, without the constant
FINEST = 64  # the least number of cells of the solver in each direction


def solve(size: int, times: int, seed: int) -> Solution:
    """Return a solution u, v on [-1, 1] x [-1, 1] with no flux through the border, t up to 5.

    u_t = Du (u_xx + u_yy) + u - u^3 - k - v and v_t = Dv (v_xx + v_yy) + u - v. At t = 0 both fields are sums of
    cosines with normal amplitudes, of unit variance and with no slope on the border. PDEBench starts from independent
    normal numbers in every cell, which is no function of x and y: no finer grid would come closer to a solution.

    Args:
        size: cells in each direction; values are at their centers.
        times: instants, the first 0 and the last 5.
        seed: of the initial condition.
    """
    x, t = cell_centers(*DOMAIN, size), np.linspace(0.0, END, times)
    start = initial_fields(cell_centers(*DOMAIN, max(size, FINEST)), seed)
    fields = values_at(evolve(start, t), x)
    axes = {"t": t, "x": x, "y": x.copy()}
    return Solution("diffusion_reaction", axes, {"u": fields[:, 0], "v": fields[:, 1]}, dict(COEFFICIENTS))


def initial_fields(x: np.ndarray, seed: int) -> np.ndarray:
    """Return [2, X, X] u and v at t = 0."""
    amplitudes = np.random.default_rng(seed).standard_normal((2, MODES + 1, MODES + 1))
    amplitudes[:, 0, 0] = 0.0
    amplitudes /= np.sqrt((amplitudes**2).sum(axis=(1, 2), keepdims=True) / 4)  # a product of two cosines has mean 1/4
    cosines = np.cos(np.pi / 2 * np.arange(MODES + 1)[:, None] * (x + 1))  # [modes, X]
    return np.einsum("fmn,mx,ny->fxy", amplitudes, cosines, cosines)


def evolve(start: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return [T, 2, X, X] u and v at the times t.

    Args:
        start: [2, X, X] the same at t[0], at the centers of equal cells of [-1, 1] x [-1, 1].
        t: [T] rising times.

    Cosines with no slope on the border are the eigenfunctions of the Laplacian there, and the cosine transform of
    values at cell centers (DCT-II) gives their amplitudes.
    """
    wave = np.pi / 2 * np.arange(start.shape[-1])
    laplacian = -(wave[:, None] ** 2 + wave**2)
    diffusion = np.stack([COEFFICIENTS["Du"] * laplacian, COEFFICIENTS["Dv"] * laplacian])  # [2, X, X]

    def rate(now: float, state: np.ndarray) -> np.ndarray:
        u, v = state
        reaction = np.stack([u - u**3 - COEFFICIENTS["k"] - v, u - v])
        return reaction + idctn(diffusion * dctn(state, axes=(1, 2)), axes=(1, 2))

    return integrate(rate, start, t, "DOP853")


def values_at(fields: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return [..., P, P] the cosine series through the [..., X, X] values at cell centers, at the points x by x.

    Args:
        fields: values at the centers of equal cells of [-1, 1] x [-1, 1].
        x: [P] coordinates.
    """
    size = fields.shape[-1]
    amplitudes = dctn(fields, axes=(-2, -1)) / size**2
    amplitudes[..., 0, :] /= 2
    amplitudes[..., :, 0] /= 2
    cosines = np.cos(np.pi / 2 * np.arange(size)[:, None] * (x + 1))  # [X, P]
    return cosines.T @ amplitudes @ cosines
