"""Fields as sympy expressions: their values on points for torch, and what DeepXDE's conditions make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy
import torch

from ocp_dc.pinn.deepxde.conditions import build_geometry
from ocp_dc.pinn.physics.solution import Solution
from ocp_dc.pinn.physics.task import Task

X, Y, T = sympy.symbols("x y t", real=True)
_TORCH = {"sin": torch.sin, "cos": torch.cos, "exp": torch.exp}


def points(task: Task, number: int = 40, earliest: float = 0.0) -> torch.Tensor:
    """(number, d) float64 points in the task's domain."""
    generator = np.random.default_rng(0)
    box = [*task.domain, (earliest, task.duration)]
    columns = [generator.uniform(low, high, number) for low, high in box]
    return torch.tensor(np.stack(columns, axis=1), requires_grad=True)


def values(fields: Sequence[Any], x: torch.Tensor) -> torch.Tensor:
    """(N, fields) values at the points."""
    symbols = (X, T) if x.shape[1] == 2 else (X, Y, T)
    columns = [
        sympy.lambdify(symbols, sympy.sympify(field), modules=[_TORCH, "math"])(*x.unbind(1)) + 0 * x[:, 0]
        for field in fields
    ]
    return torch.stack(columns, dim=1)  # differentiable


def residuals(task: Task, fields: Sequence[Any], x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The task's residuals of physical fields, which it is given divided by its scale."""
    found = task.residuals(x, values(fields, x) / task.scale)
    return {name: residual.detach() for name, residual in found.items()}


def solution(task: Task, fields: Sequence[Any], size: int = 6, times: int = 5) -> Solution:
    """The fields that files of the task hold, in the middle of cells."""
    axes = {"t": np.linspace(0, task.duration, times)}
    for name, (low, high) in zip(task.coordinates[:-1], task.domain, strict=True):
        axes[name] = low + (high - low) * (np.arange(size) + 0.5) / size
    shape = [len(axis) for axis in axes.values()]
    empty = Solution(task.name, axes, {})
    grid = values(fields, torch.tensor(empty.points)).numpy()
    held = {name: grid[:, i].reshape(shape) for i, name in enumerate(task.fields) if name in task.observed}
    return Solution(task.name, axes, held, dict(task.coefficients))


def errors(task: Task, condition: Any, fields: Sequence[Any]) -> torch.Tensor:
    """The condition's errors for physical fields, at points that DeepXDE draws: the same ones, as it keeps normals."""
    np.random.seed(0)
    geometry = build_geometry(task)
    drawn = [geometry.random_points(20), geometry.random_boundary_points(40), geometry.random_initial_points(20)]
    where = condition.collocation_points(np.vstack(drawn))
    assert len(where)
    inputs = torch.tensor(where, requires_grad=True)
    return condition.error(where, inputs, values(fields, inputs) / task.scale, 0, len(where), None).detach()
