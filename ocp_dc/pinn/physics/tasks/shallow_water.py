"""Shallow water in two dimensions: the radial dam break."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from ocp_dc.pinn.physics.conditions import Condition, DataPoints, InitiallyZero, InitialValues, NoFlux
from ocp_dc.pinn.physics.gradient import gradient
from ocp_dc.pinn.physics.task import Task

GRAVITY = 1.0


class ShallowWater(Task):
    """Depth h and velocities u, v over a flat bottom on [-2.5, 2.5]^2, t in [0, 1], g = 1.

    - ``L_fh``: h_t + (h u)_x + (h v)_y = 0
    - ``L_fu``: u_t + u u_x + v u_y + g h_x = 0
    - ``L_fv``: v_t + u v_x + v v_y + g h_y = 0
    - ``L_ICh``: h from the data (2 within the dam's radius of 0.5, 1 outside); ``L_ICu``, ``L_ICv``: at rest
    - ``L_BC``: all normal derivatives at the boundary are zero, so that the water flows out freely
    - ``L_data``: a share of the data, which contain only h, so errors are computed for h

    The momentum equations are for smooth flow and not in conservative form: across the bore of the dam break the jump
    condition differs.

    ``as_published``, the differences of PDEBench's code:

    - one ``L_f``, the sum of the three equations;
    - ``L_BC`` applies only to h.

    Source: PDEBench, arXiv 2210.07182, appendix D, its ``pde_swe2d``, ``setup_swe_2d``, ``radial_dam_break.yaml`` and
    ``sim_radial_dam_break.py``.
    """

    name = "shallow_water"
    fields = ("h", "u", "v")
    observed = ("h",)
    domain = ((-2.5, 2.5), (-2.5, 2.5))
    duration = 1.0
    coefficients: ClassVar[Mapping[str, float]] = {"gravity": GRAVITY}
    derivative_order = 1

    def equations(self, x: torch.Tensor, *fields: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the residuals under ``L_fh``, ``L_fu`` and ``L_fv``."""
        h, u, v = fields
        (h_x, h_y, h_t), (u_x, u_y, u_t), (v_x, v_y, v_t) = (gradient(field, x) for field in fields)
        return {
            "L_fh": h_t + h_x * u + h * u_x + h_y * v + h * v_y,
            "L_fu": u_t + u * u_x + v * u_y + GRAVITY * h_x,
            "L_fv": v_t + u * v_x + v * v_y + GRAVITY * h_y,
        }

    def conditions(self) -> dict[str, Condition]:
        """Return the conditions for initial values, boundary and data."""
        return {
            "L_ICh": InitialValues("h"),
            "L_ICu": InitiallyZero("u"),
            "L_ICv": InitiallyZero("v"),
            "L_BC": NoFlux(("h",) if self.as_published else self.fields),
            "L_data": DataPoints(self.observed),
        }
