"""Generated data and equations, written apart: differences on the data's grid leave residuals of second order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ocp_dc.pinn import data
from ocp_dc.pinn.physics.solution import Solution
from ocp_dc.pinn.physics.task import Task
from ocp_dc.pinn.physics.tasks import task_class

# cells and instants; shallow water is not among them, as its data lack the velocities
COARSE = {
    "advection": (256, 65),
    "compressible_flow": (256, 65),
    "diffusion_sorption": (64, 33),
    "diffusion_reaction": (48, 41),
}


def with_derivatives(solution: Solution, inner: tuple[slice, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, d) points and (N, fields) values that depend on them as central differences tell, to second order."""
    axes = list(solution.axes.values())
    chosen = np.zeros([len(axis) for axis in axes], dtype=bool)
    chosen[inner] = True
    here = torch.tensor(solution.points[chosen.reshape(-1)])
    x = here.clone().requires_grad_()
    steps = (x - here).unbind(1)
    columns = []
    for field in solution.fields.values():
        total = torch.tensor(field[chosen])
        for step, axis in zip(steps, [*range(1, len(axes)), 0], strict=True):  # points are x, [y,] t
            first = np.gradient(field, axes[axis], axis=axis)
            second = np.gradient(first, axes[axis], axis=axis)
            total = total + torch.tensor(first[chosen]) * step + torch.tensor(second[chosen]) * step**2 / 2
        columns.append(total)
    return x, torch.stack(columns, dim=1)


def mean_residuals(task: Task, size: int, times: int) -> np.ndarray:
    """The mean size of each residual in the inner part of the later half."""
    solution = data.generate(task.name, size, times, seed=1)
    task.check(solution)
    inner = (slice(times // 2, -(times // 8)), *[slice(size // 8, -(size // 8))] * task.spatial_dimensions)
    found = task.residuals(*with_derivatives(solution, inner))
    return np.array([float(residual.detach().abs().mean()) for residual in found.values()])


@pytest.mark.parametrize("name", COARSE)
def test_residuals_of_generated_data_fall_as_the_square_of_the_grid(name: str) -> None:
    size, times = COARSE[name]
    task = task_class(name)()
    coarse, fine = mean_residuals(task, size, times), mean_residuals(task, 2 * size, 2 * times - 1)
    assert (coarse / fine > 3).all()
