"""Find the derivatives in the equations of a task, by evaluating the equations."""

from __future__ import annotations

import math

import torch

from ocp_dc.pinn.physics.task import Task
from ocp_dc.pinn.physics.tasks import task_class, task_names

_HIGHEST = 4  # far above the order of any task


def derivative_orders(task: Task) -> dict[str, dict[str, int]]:
    """Return the order of the highest derivative in the residuals, by field and coordinate.

    Each field is 1 everywhere, and s^k / k! is added to one of them, where s is the distance from a point along one
    coordinate. At that point this changes only the k-th derivative (for k = 0 the value), so the residuals change there
    if and only if they contain this derivative.
    """
    return {
        field: {
            coordinate: max((k for k in range(1, _HIGHEST + 1) if _depends(task, i, j, k)), default=0)
            for j, coordinate in enumerate(task.coordinates)
        }
        for i, field in enumerate(task.fields)
    }


def derivative_table(*, as_published: bool = False) -> list[dict[str, str | int]]:
    """Return rows of task, field and the highest derivative by each coordinate, for all tasks."""
    return [
        {"task": name, "field": field, **orders}
        for name in task_names()
        for field, orders in derivative_orders(task_class(name)(as_published=as_published)).items()
    ]


def _depends(task: Task, field: int, coordinate: int, order: int) -> bool:
    """Return whether the residuals at a point contain this derivative of this field."""
    plain, changed = (_residuals_at_origin(task, field, coordinate, order, size) for size in (0.0, 1.0))
    return any(not torch.equal(plain[name], changed[name]) for name in plain)


def _residuals_at_origin(task: Task, field: int, coordinate: int, order: int, size: float) -> dict[str, torch.Tensor]:
    """Return the residuals at the origin if the field is 1 plus ``size`` times the monomial."""
    x = torch.zeros(1, len(task.coordinates), dtype=torch.float64, requires_grad=True)
    ones = torch.ones(1, len(task.fields), dtype=torch.float64)
    monomial = size * x[:, coordinate : coordinate + 1] ** order / math.factorial(order)
    y = ones + torch.eye(len(task.fields), dtype=torch.float64)[field] * monomial
    return task.residuals(x, y)
