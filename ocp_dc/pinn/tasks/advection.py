"""Advection in one dimension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from ocp_dc.pinn.gradient import gradient
from ocp_dc.pinn.solution import Solution
from ocp_dc.pinn.task import Task

BETA = 0.1


class Advection(Task):
    """u_t + beta u_x = 0 for x in [0, 1], periodic, t in [0, 2], beta = 0.1; u(x, 0) from the data.

    Linear, so the scaled equation is the plain one. Terms: ``L_f``, ``L_IC``, ``L_BC``.

    Source: PDEBench, arXiv 2210.07182, appendix D.1, and its ``pde_definitions.py`` and ``AdvectionEq`` configs. The
    published form has no mistakes: ``as_published`` changes nothing.
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

    def conditions(self, solution: Solution, seed: int) -> Mapping[str, Any]:
        """Return ``L_IC`` on the data's grid and ``L_BC``, the field alike at both ends."""
        from ocp_dc.pinn.conditions import initial_values, periodic

        self.check(solution)
        return {"L_IC": initial_values(solution, "u", 0, self.scale), "L_BC": periodic(self.geometry(), 0)}
