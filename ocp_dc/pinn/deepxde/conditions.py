"""DeepXDE's domain and conditions, from what a task knows and what the data hold; all values come divided by a scale.

The one file of the physics that needs DeepXDE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ocp_dc.pinn.deepxde.backend import dde
from ocp_dc.pinn.physics.solution import Solution


def space_time(domain: Sequence[tuple[float, float]], duration: float) -> dde.geometry.GeometryXTime:
    """Return the product of an interval or a rectangle and the times from 0 to ``duration``."""
    low, high = zip(*domain, strict=True)
    space = dde.geometry.Interval(*domain[0]) if len(domain) == 1 else dde.geometry.Rectangle(low, high)
    return dde.geometry.GeometryXTime(space, dde.geometry.TimeDomain(0, duration))


def initial_values(solution: Solution, field: str, component: int, scale: float) -> dde.icbc.PointSetBC:
    """Return the condition that one field starts as the data do, on the data's grid."""
    start = solution.points[:, -1] == solution.axes["t"][0]
    values = solution.fields[field][0].reshape(-1, 1) / scale
    return dde.icbc.PointSetBC(solution.points[start], values, component=component)


def initially_zero(geometry: Any, component: int) -> dde.icbc.IC:
    """Return the condition that one field starts as zero, at the initial points that are drawn."""
    return dde.icbc.IC(geometry, lambda x: 0.0, lambda _, on_initial: on_initial, component=component)


def data_points(
    solution: Solution, fields: Sequence[str], component: int, scale: float, share: float, seed: int
) -> dde.icbc.PointSetBC:
    """Return the condition that the network agrees with a share of the data.

    Args:
        solution: the data.
        fields: adjacent outputs of the network; the first of them is output number ``component``.
        component: see there.
        scale: the constant that values are divided by.
        share: of the data's points, drawn without replacement; at least one.
        seed: of the draw; the same points for the same seed.
    """
    count = len(solution.points)
    chosen = np.random.default_rng(seed).permutation(count)[: max(1, round(share * count))]
    chosen.sort()
    values = np.stack([solution.fields[name].reshape(-1)[chosen] for name in fields], axis=1) / scale
    components = list(range(component, component + len(fields)))
    return dde.icbc.PointSetBC(solution.points[chosen], values, components if len(fields) > 1 else component)


def fixed_value(geometry: Any, value: float, x: float, scale: float) -> dde.icbc.DirichletBC:
    """Return the condition that the first field has a value at the end ``x`` of an interval."""
    return dde.icbc.DirichletBC(geometry, lambda _: value / scale, at(x))


def operator(geometry: Any, residual: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], x: float) -> Any:
    """Return the condition that ``residual(inputs, outputs)``, (N, 1), vanishes at the end ``x`` of an interval."""
    return dde.icbc.OperatorBC(geometry, lambda inputs, outputs, _: residual(inputs, outputs), at(x))


def no_flux(geometry: Any, *components: int) -> Any:
    """Return the condition that fields have no derivative normal to the border."""
    return _Together([dde.icbc.NeumannBC(geometry, lambda x: 0.0, on_border, component=c) for c in components])


def periodic(geometry: Any, component: int, *, slope: bool = False) -> Any:
    """Return the condition that a field, and with ``slope`` its derivative, is the same at both ends of an interval."""
    orders = (0, 1) if slope else (0,)
    return _Together([dde.icbc.PeriodicBC(geometry, 0, on_border, n, component) for n in orders])


def on_border(_: np.ndarray, on_boundary: bool) -> bool:
    """Tell whether a point lies on the border in space, as DeepXDE found it."""
    return on_boundary


def at(x: float) -> Callable[[np.ndarray, bool], bool]:
    """Return the test whether a point lies at one end of an interval."""
    return lambda point, on_boundary: bool(on_boundary and np.isclose(point[0], x))


class _Together:
    """Conditions at the same points under one name: their errors stand side by side, so the loss is their mean."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = parts

    def collocation_points(self, points: np.ndarray) -> np.ndarray:
        """Return the points among ``points`` that the conditions hold at."""
        return self.parts[0].collocation_points(points)

    def error(self, *args: Any) -> torch.Tensor:
        """Return the errors, (N, parts), from DeepXDE's own arguments."""
        return torch.cat([part.error(*args) for part in self.parts], dim=1)
