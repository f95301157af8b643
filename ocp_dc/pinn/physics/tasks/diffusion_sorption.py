"""Diffusion with sorption in one dimension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from ocp_dc.pinn.physics.conditions import (
    Condition,
    DataPoints,
    FixedValue,
    InitiallyZero,
    InitialValues,
    ZeroOperator,
)
from ocp_dc.pinn.physics.gradient import gradient
from ocp_dc.pinn.physics.task import Task

D = 5e-4  # effective diffusion coefficient, m^2/s
POROSITY = 0.29
RHO_S = 2880  # bulk density, kg/m^3
K_F = 3.5e-4  # Freundlich's parameter
N_F = 0.874  # Freundlich's exponent
SHIFT = 1e-6  # keeps the retardation factor finite at u = 0; the solver of the data uses it too


class DiffusionSorption(Task):
    """Concentration u for x in [0, 1], t in [0, 500] s; u(x, 0) from the data.

    - ``L_f``: u_t - D / R(u) u_xx = 0 with D = 5e-4 and Freundlich's retardation factor
      R(u) = 1 + (1 - por) / por rho_s k_f n_f (u + 1e-6)^(n_f - 1), por 0.29, rho_s 2880, k_f 3.5e-4, n_f 0.874;
      a negative u, whose power is undefined, is replaced by 0
    - ``L_BCl``: u = 1 at x = 0
    - ``L_BCr``: u = -D u_x at x = 1: the flow carries away what diffuses to the end
    - ``L_IC``, ``L_data``: the data at t = 0, and a share of all data

    The network ends in a ReLU, as published.

    ``as_published``, the mistakes of PDEBench's paper and code:

    - u = D u_x at x = 1. The solver of the data has -D u_x; with the other sign a layer e^(x / D) at the end would
      grow as e^(t / (D R)), and no positive concentration could decrease towards the end;
    - u = 0 at t = 0, although the data start from a constant between 0 and 0.2.

    Source: PDEBench, arXiv 2210.07182, appendix D, its ``pde_diffusion_sorption``, ``setup_diffusion_sorption`` and
    ``sim_diff_sorp.py``.
    """

    name = "diffusion_sorption"
    fields = ("u",)
    observed = fields
    domain = ((0.0, 1.0),)
    duration = 500.0
    coefficients: ClassVar[Mapping[str, float]] = {"D": D, "por": POROSITY, "rho_s": RHO_S, "k_f": K_F, "n_f": N_F}
    derivative_order = 2
    final_activation = "relu"

    def equations(self, x: torch.Tensor, *fields: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the residual under ``L_f``."""
        (u,) = fields
        u_x, u_t = gradient(u, x)
        u_xx, _ = gradient(u_x, x)
        return {"L_f": u_t - D / retardation(u) * u_xx}

    def conditions(self) -> dict[str, Condition]:
        """Return ``L_IC``, ``L_BCl``, ``L_BCr`` and ``L_data``."""
        return {
            "L_IC": InitiallyZero("u") if self.as_published else InitialValues("u"),
            "L_BCl": FixedValue("u", value=1.0, x=0.0),
            "L_BCr": ZeroOperator(self.right_boundary, x=1.0),
            "L_data": DataPoints(self.fields),
        }

    def right_boundary(self, x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        """Return u + D u_x, [N, 1], or u - D u_x as published."""
        u_x, _ = gradient(u, x)
        return u - D * u_x if self.as_published else u + D * u_x


def retardation(u: torch.Tensor) -> torch.Tensor:
    """Return Freundlich's retardation factor of a concentration."""
    return 1 + (1 - POROSITY) / POROSITY * RHO_S * K_F * N_F * (u.clamp(min=0) + SHIFT) ** (N_F - 1)
