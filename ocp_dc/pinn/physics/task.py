"""A physics-informed task: its equations, domain, conditions and named loss terms."""

from __future__ import annotations

import abc
import logging
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import finite_number
from ocp_dc.pinn.data.layouts import layout_of
from ocp_dc.pinn.physics.conditions import Condition
from ocp_dc.pinn.physics.solution import Solution

COORDINATES = {1: ("x", "t"), 2: ("x", "y", "t")}  # by the number of spatial dimensions


class Task(abc.ABC):
    """The physics of one published task, independent of network and training.

    Coordinates of points are x, t or x, y, t; outputs y of the network are the fields in the order of
    :attr:`fields`, divided by one constant C, :attr:`scale`, for all of them (label rescaling).

    The equations of a task are written in physical fields. :meth:`residuals` evaluates them at C y and divides each
    result by C: a linear equation keeps its form, a term of degree n has the factor C^(n - 1), and a residual is the
    physical residual in units of C. Conditions are divided by C as well, so the relative weights of the loss terms do
    not depend on C.

    Args:
        scale: the constant C, a number, which divides targets and conditions; 1 for no rescaling.
        as_published: use the published form of equations and conditions, including mistakes, which the class lists.
        data_share: the share of the data's points in ``L_data``, in tasks with that term.

    Raises:
        UserError: the scale is not a finite positive number, or the share is not above 0 and at most 1.
    """

    name: ClassVar[str]
    fields: ClassVar[tuple[str, ...]]
    domain: ClassVar[tuple[tuple[float, float], ...]]  # (from, to) of each spatial coordinate
    duration: ClassVar[float]  # times run from 0 to this
    coefficients: ClassVar[Mapping[str, float]]
    derivative_order: int  # the highest order of the derivatives in the equations
    observed: ClassVar[tuple[str, ...]]  # the fields that data files contain and errors are computed for
    final_activation: ClassVar[str | None] = None  # activation of the network's output: a ReLU in diffusion-sorption

    def __init__(self, scale: float = 1.0, as_published: bool = False, data_share: float = 0.3) -> None:
        self.scale = finite_number("scale", scale, positive=True)
        self.as_published = as_published
        self.data_share = finite_number("data_share", data_share, positive=True)
        if self.data_share > 1:
            raise UserError(f"data_share: got {data_share!r}, expected a share of the points: above 0 and at most 1")

    @property
    def spatial_dimensions(self) -> int:
        """The number of spatial dimensions, 1 or 2."""
        return len(self.domain)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the coordinates, in the order of the columns of points."""
        return COORDINATES[len(self.domain)]

    def residuals(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the residual of each equation by the name of its loss term (``L_f`` if there is only one equation).

        Args:
            x: `[N, d]`, coordinates that require gradients.
            y: `[N, fields]`, scaled fields, computed from ``x``.

        Returns:
            Tensors `[N, 1]`: the physical residuals divided by :attr:`scale`; with ``as_published`` the published sums.
        """
        fields = (self.scale * y).split(1, dim=1)
        equations = self.published_equations if self.as_published else self.equations
        return {name: residual / self.scale for name, residual in equations(x, *fields).items()}

    @abc.abstractmethod
    def equations(self, x: torch.Tensor, *fields: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the residual of each equation in physical fields, each `[N, 1]`."""

    def published_equations(self, x: torch.Tensor, *fields: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the published residual: the sum of the equations, in which residuals can cancel."""
        return {"L_f": torch.stack(list(self.equations(x, *fields).values())).sum(0)}

    @abc.abstractmethod
    def conditions(self) -> dict[str, Condition]:
        """Return the conditions by the name of their loss term (``L_IC``, ``L_BC``, ``L_data``, ...)."""

    def loss_terms(self) -> tuple[str, ...]:
        """Return the names of all loss terms: those of the equations, then those of the conditions."""
        x, y = torch.zeros(1, len(self.coordinates)), torch.zeros(1, len(self.fields))
        return (*self.residuals(x, y), *self.conditions())

    def check(self, solution: Solution) -> None:
        """Check that the equations describe the data, and warn about coefficients that the data do not contain.

        Raises:
            UserError: the data belong to another task, lack a field, or differ in domain or a coefficient.
        """
        if solution.task != self.name:
            raise UserError(f"task {self.name}: got data of the task {solution.task!r}; give data of {self.name}")
        if missing := [name for name in self.observed if name not in solution.fields]:
            raise UserError(f"task {self.name}: the data lack {', '.join(missing)}; they have {list(solution.fields)}")
        for name, (low, high) in zip(self.coordinates, (*self.domain, (0.0, self.duration)), strict=True):
            axis, slack = solution.axes[name], 1e-5 * (high - low)  # files store float32
            cell = np.diff(axis).max() + slack  # values are at cell centers; data may end early
            short = axis.min() > low + cell or (axis.max() < high - cell and name != "t")
            if short or axis.min() < low - slack or axis.max() > high + slack:
                raise UserError(
                    f"task {self.name}: the data's {name} runs from {axis.min():g} to {axis.max():g}, "
                    f"expected {low:g} to {high:g}"
                )
        held = layout_of(self.name).parameters  # the coefficients in files of this task
        if unknown := [name for name in self.coefficients if name in held and name not in solution.parameters]:
            taken = ", ".join(f"{name} = {self.coefficients[name]:g}" for name in unknown)
            logging.warning(f"task {self.name}: the data do not contain {', '.join(unknown)}; assumed: {taken}")
        for name, value in self.coefficients.items():
            got = solution.parameters.get(name, value)
            if abs(got - value) > 1e-6 * abs(value):
                raise UserError(f"task {self.name}: the data have {name} = {got:g}, the equations {value:g}")
