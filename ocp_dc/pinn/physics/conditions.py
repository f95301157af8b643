"""Initial and boundary conditions as plain data, from which the training code builds losses.

Values are in physical units; they are divided by the constant C of label rescaling when the losses are built.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch

Residual = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclasses.dataclass(frozen=True)
class InitialValues:
    """A field equals the data at the initial time, at the grid points of the data.

    Args:
        field: the name of the field.
    """

    field: str


@dataclasses.dataclass(frozen=True)
class InitiallyZero:
    """A field is zero at the sampled initial points.

    Args:
        field: the name of the field.
    """

    field: str


@dataclasses.dataclass(frozen=True)
class DataPoints:
    """Fields equal the data at a share of the data's points.

    Args:
        fields: the names of the fields.
    """

    fields: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class FixedValue:
    """A field has a given value at one end of an interval.

    Args:
        field: the name of the field.
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
        residual: computes the expression `[N, 1]` from coordinates `[N, d]` and outputs of the network `[N, fields]`.
            It is linear and homogeneous, so that it also applies to fields divided by a constant.
        x: the end.
    """

    residual: Residual
    x: float


@dataclasses.dataclass(frozen=True)
class NoFlux:
    """The normal derivatives of fields at the boundary are zero.

    Args:
        fields: the names of the fields, which share one loss term.
    """

    fields: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Periodic:
    """A field has the same value at both ends of an interval.

    Args:
        field: the name of the field.
        slope: whether its derivative is the same too.
    """

    field: str
    slope: bool = False


Condition = InitialValues | InitiallyZero | DataPoints | FixedValue | ZeroOperator | NoFlux | Periodic
