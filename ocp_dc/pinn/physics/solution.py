"""A solution of a partial differential equation on a grid, from a file of PDEBench or generated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Solution:
    """One solution in space and time, in the units of PDEBench.

    Args:
        task: the name of the task, such as ``advection``.
        axes: increasing grid coordinates by name, one-dimensional, in the order ``t``, ``x`` and, in two dimensions,
            ``y``.
        fields: float64 values by name, each `[T, X]` or `[T, X, Y]`, in the order of the task's outputs.
        parameters: those coefficients of the equations that the data contain, by name.
    """

    task: str
    axes: Mapping[str, np.ndarray]
    fields: Mapping[str, np.ndarray]
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def points(self) -> np.ndarray:
        """The coordinates `[points, d]` of all grid points for a network: x, t or x, y, t; t varies slowest."""
        grids = np.meshgrid(*self.axes.values(), indexing="ij")  # each `[T, X]` or `[T, X, Y]`
        time, *space = (grid.reshape(-1) for grid in grids)
        return np.stack([*space, time], axis=1)

    @property
    def values(self) -> np.ndarray:
        """The values `[points, fields]` at :attr:`points`."""
        return np.stack([field.reshape(-1) for field in self.fields.values()], axis=1)
