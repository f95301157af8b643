"""Measure how fast the generators of the physics-informed data converge.

Run: ``OMP_NUM_THREADS=1 python benchmarks/pinn_data.py`` (half a minute). Prints the tables of docs/pinn-data.md: the
errors by number of cells against a fine solution of the same method at the same points, with the order of convergence
between consecutive rows, and the time of ``generate`` at its default size. tests/pinn/data compares the same methods
with exact solutions and with other methods.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from ocp_dc.pinn.data import generate
from ocp_dc.pinn.data.generators import compressible_flow, diffusion_reaction, diffusion_sorption, shallow_water
from ocp_dc.pinn.data.generators.grids import cell_centers

POINTS = 16  # errors are taken at the centers of this many cells


def thinned(values: np.ndarray) -> np.ndarray:
    """Return the values at POINTS of the cells, whose number is an odd multiple of POINTS."""
    factor = values.shape[-1] // POINTS
    return values[..., factor // 2 :: factor]


def flow(cells: int) -> np.ndarray:
    start = compressible_flow.initial_fields(cell_centers(-1.0, 1.0, cells), seed=0)
    return thinned(compressible_flow.evolve(start, np.array([0.0, 1.0]))[1])


def sorption(cells: int) -> np.ndarray:
    return thinned(diffusion_sorption.evolve(np.full(cells, 0.1), np.array([0.0, 500.0]))[1])


def reaction(cells: int) -> np.ndarray:
    start = diffusion_reaction.initial_fields(cell_centers(-1.0, 1.0, cells), seed=0)
    fields = diffusion_reaction.evolve(start, np.array([0.0, 5.0]))[1]
    return diffusion_reaction.values_at(fields, cell_centers(-1.0, 1.0, POINTS))


def water(cells: int) -> np.ndarray:
    end = 2.5 * np.sqrt(2)
    start = shallow_water.ring_depth(0.5, end, cells)
    depth = shallow_water.evolve(start, np.zeros(cells), np.array([0.0, 1.0]), end)[0][1]
    return np.interp(cell_centers(0.0, 2.5, 1000), cell_centers(0.0, end, cells), depth)


CASES: dict[str, tuple[Callable[[int], np.ndarray], Sequence[int], int]] = {
    "compressible_flow": (flow, (16, 48, 80, 112), 240),
    "diffusion_sorption": (sorption, (48, 144, 432, 1296), 3888),
    "diffusion_reaction": (reaction, (32, 48, 64), 96),
    "shallow_water": (water, (250, 500, 1000, 2000), 6000),
}


def convergence() -> None:
    print("| task | cells | largest error | mean error | order of the mean |\n|---|---|---|---|---|")
    for task, (solve, cells, finest) in CASES.items():
        reference, before = solve(finest), None
        for number in cells:
            errors = np.abs(solve(number) - reference)
            mean = errors.mean()
            order = "" if before is None else f"{np.log(before[1] / mean) / np.log(number / before[0]):.1f}"
            print(f"| {task} | {number} | {errors.max():.1e} | {mean:.1e} | {order} |")
            before = number, mean


def defaults() -> None:
    print("\n| task | cells, instants | seconds |\n|---|---|---|")
    for task in ("advection", *CASES):
        started = time.perf_counter()
        solution = generate(task)
        seconds = time.perf_counter() - started
        shape = next(iter(solution.fields.values())).shape
        print(f"| {task} | {' x '.join(map(str, shape[1:]))}, {shape[0]} | {seconds:.1f} |")


if __name__ == "__main__":
    convergence()
    defaults()
