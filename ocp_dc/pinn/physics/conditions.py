"""Initial and boundary conditions as plain data: a task lists them, and whatever trains it turns them into losses.

Values are physical here; label rescaling divides them by its constant C where the losses are built.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch

Residual = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclasses.dataclass(frozen=True)
class InitialValues:
    """A field starts as in the data, at the points of the data's grid.

    Args:
        field: its name.
    """

    field: str


@dataclasses.dataclass(frozen=True)
class InitiallyZero:
    """A field starts as zero, at the sampled initial points.

    Args:
        field: its name.
    """

    field: str


@dataclasses.dataclass(frozen=True)
class DataPoints:
    """Fields agree with the data at a share of the data's points.

    Args:
        fields: their names.
    """

    fields: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class FixedValue:
    """A field has a given value at one end of an interval.

    Args:
        field: its name.
        value: the value, in the units of the data.
        x: the end.
    """

    field: str
    value: float
    x: float


@dataclasses.dataclass(frozen=True)
class ZeroOperator:
    """An expression in the fields and their derivatives is zero at one end of an interval.

    Args:
        residual: the expression, from [N, d] coordinates and [N, fields] outputs of the network, as [N, 1]. It is
            linear and homogeneous, so that it holds for fields divided by a constant too.
        x: the end.
    """

    residual: Residual
    x: float


@dataclasses.dataclass(frozen=True)
class NoFlux:
    """Fields have no derivative normal to the border.

    Args:
        fields: their names; their errors count under one loss term.
    """

    fields: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Periodic:
    """A field has the same value at both ends of an interval.

    Args:
        field: its name.
        slope: whether its derivative is the same too.
    """

    field: str
    slope: bool = False


Condition = InitialValues | InitiallyZero | DataPoints | FixedValue | ZeroOperator | NoFlux | Periodic
