"""Diffusion with reaction in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from ocp_dc.pinn.physics.conditions import Condition, DataPoints, InitialValues, NoFlux
from ocp_dc.pinn.physics.gradient import gradient
from ocp_dc.pinn.physics.task import Task

D_U = 1e-3
D_V = 5e-3
K = 5e-3


class DiffusionReaction(Task):
    """Activator u and inhibitor v (FitzHugh-Nagumo) on [-1, 1]^2, t in [0, 5]; initial values from the data.

    - ``L_fu``: u_t - D_u (u_xx + u_yy) - (u - u^3 - k - v) = 0, D_u = 1e-3, k = 5e-3
    - ``L_fv``: v_t - D_v (v_xx + v_yy) - (u - v) = 0, D_v = 5e-3
    - ``L_BCu``, ``L_BCv``: no flux through the boundary
    - ``L_ICu``, ``L_ICv``, ``L_data``: the data at t = 0, and a share of all data, both fields together

    ``as_published``, the differences of PDEBench's code:

    - one ``L_f``, the sum of both equations;
    - no flux only for u (``L_BC``); ``L_BCu`` and ``L_BCv`` are the share of the data, one field each, which the
      published loss tables call the boundary data of u and v.

    Not reproduced: there the share is 30 % of the number of points along x, drawn from the first points of the file
    (38 of 1.65 million, all next to one corner), and x and y of the data are exchanged between the initial values and
    the rest.

    Source: PDEBench, arXiv 2210.07182, appendix D, its ``pde_diffusion_reaction``, ``setup_diffusion_reaction``,
    ``PINNDatasetDiffReact`` and ``diff-react.yaml``.
    """

    name = "diffusion_reaction"
    fields = ("u", "v")
    observed = fields
    domain = ((-1.0, 1.0), (-1.0, 1.0))
    duration = 5.0
    coefficients: ClassVar[Mapping[str, float]] = {"Du": D_U, "Dv": D_V, "k": K}
    derivative_order = 2

    def equations(self, x: torch.Tensor, *fields: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the residuals under ``L_fu`` and ``L_fv``."""
        u, v = fields
        u_t, u_laplacian = _time_and_space(u, x)
        v_t, v_laplacian = _time_and_space(v, x)
        return {
            "L_fu": u_t - D_U * u_laplacian - (u - u**3 - K - v),
            "L_fv": v_t - D_V * v_laplacian - (u - v),
        }

    def conditions(self) -> dict[str, Condition]:
        """Return the conditions for initial values, boundary and data."""
        start = {f"L_IC{name}": InitialValues(name) for name in self.fields}
        if self.as_published:
            data = {f"L_BC{name}": DataPoints((name,)) for name in self.fields}
            return {"L_BC": NoFlux(("u",)), **start, **data}
        border = {f"L_BC{name}": NoFlux((name,)) for name in self.fields}
        return {**start, **border, "L_data": DataPoints(self.fields)}


def _time_and_space(field: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the derivative with respect to t and the Laplacian."""
    f_x, f_y, f_t = gradient(field, x)
    return f_t, gradient(f_x, x)[0] + gradient(f_y, x)[1]
