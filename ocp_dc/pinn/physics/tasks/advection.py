"""Advection in one dimension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.pinn.physics.conditions import Condition, InitialValues, Periodic
from ocp_dc.pinn.physics.gradient import gradient
from ocp_dc.pinn.physics.solution import Solution
from ocp_dc.pinn.physics.task import Task

BETA = 0.1
RESOLVED = 64  # points; on a coarser grid interpolation cannot shift the shortest waves of the data
LARGEST_MISFIT = 0.25  # relative error of shifted initial values; data of a solver reach a few percent


class Advection(Task):
    """u_t + beta u_x = 0 for x in [0, 1], periodic, t in [0, 2], beta = 0.1; u(x, 0) from the data.

    The equation is linear, so the scaled equation has the same form. Terms: ``L_f``, ``L_IC``, ``L_BC``.

    Source: PDEBench, arXiv 2210.07182, appendix D.1, and its ``pde_definitions.py`` and ``AdvectionEq`` configs. The
    published form has no mistakes, so ``as_published`` changes nothing.
    """

    name = "advection"
    fields = ("u",)
    observed = fields
    domain = ((0.0, 1.0),)
    duration = 2.0
    coefficients: ClassVar[Mapping[str, float]] = {"beta": BETA}
    derivative_order = 1

    def equations(self, x: torch.Tensor, *fields: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the residual under ``L_f``."""
        (u,) = fields
        u_x, u_t = gradient(u, x)
        return {"L_f": u_t + BETA * u_x}

    def conditions(self) -> dict[str, Condition]:
        """Return ``L_IC`` on the grid of the data, and ``L_BC``: the field has the same value at both ends."""
        return {"L_IC": InitialValues("u"), "L_BC": Periodic("u")}

    def check(self, solution: Solution) -> None:
        """Check that the equations describe the data, including their speed."""
        super().check(solution)
        _check_speed(solution)


def _check_speed(solution: Solution) -> None:
    """Check that the data move with the speed beta, which a file need not contain.

    Raises:
        UserError: the data are not their initial values shifted by beta t, up to the error of a solver.
    """
    if len(solution.axes["x"]) < RESOLVED:
        return
    u, t, x = solution.fields["u"], solution.axes["t"], solution.axes["x"]  # [T, X], [T], [X]
    expected = np.interp((x - BETA * (t[:, None] - t[0])) % 1.0, x, u[0], period=1.0)  # [T, X]
    scale = np.sqrt(np.mean(u[0] ** 2)) or 1.0
    misfit = np.sqrt(np.mean((u - expected) ** 2)) / scale
    if misfit > LARGEST_MISFIT:
        raise UserError(
            f"task advection: the data are not their initial values moved by beta t with beta = {BETA:g} (relative "
            f"error {misfit:.2g}); give the file of that beta"
        )
