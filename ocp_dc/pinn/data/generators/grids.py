"""Parts of all generators: grids, random smooth fields, and the call of scipy's integrator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

# With these tolerances errors in time stay far below those in space at all sizes of the generators.
RELATIVE, ABSOLUTE = 1e-9, 1e-11


def cell_centers(left: float, right: float, size: int) -> np.ndarray:
    """Return the centers [size] of equal cells."""
    return left + (right - left) * (np.arange(size) + 0.5) / size


def refinement(size: int, least: int) -> int:
    """Return the factor by which to refine each cell for at least ``least`` of them.

    It is odd, so that the centers of the cells are among those of the finer ones, at ``refinement // 2 :: refinement``.
    """
    factor = -(-least // size)
    return factor + 1 - factor % 2


def random_waves(
    generator: np.random.Generator, largest: int, period: float, number: int = 2
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a sum of sines with random whole wave numbers, amplitudes from [0.5, 1) and phases.

    Args:
        generator: the source of random numbers.
        largest: wave numbers are drawn from 1 to this, each at most once.
        period: length of the domain.
        number: of sines.
    """
    waves = 2 * np.pi / period * generator.choice(np.arange(1, largest + 1), size=number, replace=False)
    amplitudes, phases = generator.uniform(0.5, 1.0, number), generator.uniform(0.0, 2 * np.pi, number)

    def field(x: np.ndarray) -> np.ndarray:
        return np.tensordot(amplitudes, np.sin(np.multiply.outer(waves, x).T + phases).T, axes=1)

    return field


def integrate(
    rate: Callable[[float, np.ndarray], np.ndarray],
    start: np.ndarray,
    t: np.ndarray,
    method: str,
    bands: int | None = None,
) -> np.ndarray:
    """Return the states [T, ...] at the times t of d(state)/dt = rate(t, state), with ``rate`` in the state's shape.

    Args:
        rate: the derivative by time.
        start: the state at t[0].
        t: [T] rising times.
        method: one of ``scipy.integrate.solve_ivp``.
        bands: for LSODA, the number of diagonals of the Jacobian on each side of the middle one; None for all.

    Raises:
        RuntimeError: the integrator failed.
    """
    shape = start.shape
    done = solve_ivp(
        lambda now, state: rate(now, state.reshape(shape)).reshape(-1),
        (t[0], t[-1]),
        start.reshape(-1),
        method=method,
        t_eval=t,
        rtol=RELATIVE,
        atol=ABSOLUTE,
        **({} if bands is None else {"lband": bands, "uband": bands}),
    )
    if not done.success:
        raise RuntimeError(f"the integrator stopped: {done.message}")
    return np.moveaxis(done.y, -1, 0).reshape(len(t), *shape)
