"""Build DeepXDE's geometry and conditions of a task; all values are divided by the scale of the task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ocp_dc.pinn.deepxde.backend import dde
from ocp_dc.pinn.physics.conditions import (
    Condition,
    DataPoints,
    FixedValue,
    InitiallyZero,
    InitialValues,
    NoFlux,
    Periodic,
    ZeroOperator,
)
from ocp_dc.pinn.physics.solution import Solution
from ocp_dc.pinn.physics.task import Task


def build_geometry(task: Task) -> dde.geometry.GeometryXTime:
    """Return the domain in space and time: the task's interval or rectangle, and the times from 0 to its duration."""
    low, high = zip(*task.domain, strict=True)
    space = dde.geometry.Interval(*task.domain[0]) if len(task.domain) == 1 else dde.geometry.Rectangle(low, high)
    return dde.geometry.GeometryXTime(space, dde.geometry.TimeDomain(0, task.duration))


def build_conditions(task: Task, solution: Solution, seed: int) -> dict[str, Any]:
    """Return the conditions of a task by the names of their loss terms.

    Args:
        task: the task.
        solution: the data in physical units, the source of initial values and training points.
        seed: the seed for drawing training points, if the task uses a share of the data.

    Raises:
        UserError: the data belong to another task, domain or coefficient.
    """
    task.check(solution)
    geometry = build_geometry(task)
    return {name: _build(each, task, geometry, solution, seed) for name, each in task.conditions().items()}


def _build(condition: Condition, task: Task, geometry: Any, solution: Solution, seed: int) -> Any:
    bc, output = dde.icbc, task.fields.index
    match condition:
        case InitialValues(field):
            start = solution.points[:, -1] == solution.axes["t"][0]
            values = solution.fields[field][0].reshape(-1, 1) / task.scale
            return bc.PointSetBC(solution.points[start], values, component=output(field))
        case InitiallyZero(field):
            return bc.IC(geometry, _zero, lambda _, on_initial: on_initial, component=output(field))
        case DataPoints(fields):
            points, values = _sample(solution, fields, task.data_share, seed)
            outputs = [output(field) for field in fields]
            return bc.PointSetBC(points, values / task.scale, outputs if len(outputs) > 1 else outputs[0])
        case FixedValue(field, value, x):
            return bc.DirichletBC(geometry, lambda _: value / task.scale, _at_end(x), component=output(field))
        case ZeroOperator(residual, x):
            return bc.OperatorBC(geometry, lambda inputs, outputs, _: residual(inputs, outputs), _at_end(x))
        case NoFlux(fields):
            return _JoinedConditions(
                [bc.NeumannBC(geometry, _zero, _on_border, component=output(field)) for field in fields]
            )
        case Periodic(field, slope):
            orders = (0, 1) if slope else (0,)
            return _JoinedConditions([bc.PeriodicBC(geometry, 0, _on_border, order, output(field)) for order in orders])
        case _:
            raise TypeError(f"got {condition!r}, expected one of the conditions of ocp_dc.pinn.physics.conditions")


def _sample(solution: Solution, fields: Sequence[str], share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points `[n, d]` of a random share of the data and the values `[n, fields]` there.

    Args:
        solution: the data.
        fields: the names of the fields.
        share: the share of the points to draw without replacement; at least one point is drawn.
        seed: the seed of the draw.
    """
    count = len(solution.points)
    chosen = np.random.default_rng(seed).permutation(count)[: max(1, round(share * count))]
    chosen.sort()
    return solution.points[chosen], np.stack([solution.fields[name].reshape(-1)[chosen] for name in fields], axis=1)


def _zero(_: np.ndarray) -> float:
    return 0.0


def _on_border(_: np.ndarray, on_boundary: bool) -> bool:
    """Return whether a point lies on the spatial boundary, as determined by DeepXDE."""
    return on_boundary


def _at_end(x: float) -> Callable[[np.ndarray, bool], bool]:
    """Return a predicate for the points at the end ``x`` of an interval."""
    return lambda point, on_boundary: bool(on_boundary and np.isclose(point[0], x))


class _JoinedConditions:
    """Several conditions at the same points as one loss term: their errors are concatenated and averaged."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = parts

    def collocation_points(self, points: np.ndarray) -> np.ndarray:
        """Return the points at which the conditions apply."""
        return self.parts[0].collocation_points(points)

    def error(self, *args: Any) -> torch.Tensor:
        """Return the errors `[N, parts]`, given DeepXDE's arguments."""
        return torch.cat([part.error(*args) for part in self.parts], dim=1)
