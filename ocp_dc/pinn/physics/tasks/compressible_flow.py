"""Compressible Navier-Stokes flow in one dimension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from ocp_dc.pinn.physics.conditions import Condition, InitialValues, Periodic
from ocp_dc.pinn.physics.gradient import gradient
from ocp_dc.pinn.physics.task import Task

GAMMA = 5 / 3
ETA = 1e-8  # shear viscosity
ZETA = 1e-8  # bulk viscosity
VISCOSITY = ZETA + 4 / 3 * ETA  # of the only stress component in one dimension


class CompressibleFlow(Task):
    """Density d, velocity v and pressure p for x in [-1, 1], periodic, t in [0, 1]; initial values from the data.

    With the energy E = p / (gamma - 1) + d v^2 / 2, gamma = 5/3 and m = zeta + 4/3 eta, eta = zeta = 1e-8:

    - ``L_fd``, mass: d_t + (d v)_x = 0
    - ``L_fv``, momentum: d (v_t + v v_x) + p_x - m v_xx = 0
    - ``L_fp``, energy: E_t + (v (E + p) - m v v_x)_x = 0

    Conditions: ``L_ICd``, ``L_ICv``, ``L_ICp``; ``L_BCd``, ``L_BCv``, ``L_BCp``, each field equal at both ends,
    and also the derivative of the velocity, since the equations contain its second derivative.

    ``as_published``, the mistakes of PDEBench's code:

    - momentum has -p_x;
    - one ``L_f``, the sum of the three equations, which are inviscid (m = 0);
    - all three boundary conditions apply to the density: the index of the field is passed as that of the coordinate.

    Not reproduced: its points lie in [0, 1], half of the domain of the files.

    Source: PDEBench, arXiv 2210.07182, appendix D.5, its ``pde_CFD1d``, ``setup_pde1D`` and ``1D_Multi.yaml``. Its
    solver uses eta and zeta per density, which makes no difference at 1e-8.
    """

    name = "compressible_flow"
    fields = ("density", "velocity", "pressure")
    observed = fields
    domain = ((-1.0, 1.0),)
    duration = 1.0
    coefficients: ClassVar[Mapping[str, float]] = {"gamma": GAMMA, "eta": ETA, "zeta": ZETA}
    derivative_order = 2

    def __init__(self, scale: float = 1.0, as_published: bool = False, data_share: float = 0.3) -> None:
        super().__init__(scale, as_published, data_share)
        if as_published:
            self.derivative_order = 1  # inviscid

    def equations(self, x: torch.Tensor, *fields: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the residuals under ``L_fd``, ``L_fv`` and ``L_fp``."""
        _, v, _ = fields
        v_x, _ = gradient(v, x)
        v_xx, _ = gradient(v_x, x)
        mass, inertia, p_x, energy = _inviscid(x, *fields)
        return {
            "L_fd": mass,
            "L_fv": inertia + p_x - VISCOSITY * v_xx,
            "L_fp": energy - VISCOSITY * (v_x**2 + v * v_xx),
        }

    def published_equations(self, x: torch.Tensor, *fields: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the published residual: the sum of the inviscid equations, with -p_x."""
        mass, inertia, p_x, energy = _inviscid(x, *fields)
        return {"L_f": mass + (inertia - p_x) + energy}

    def conditions(self) -> dict[str, Condition]:
        """Return the initial values on the grid of the data and the periodic conditions, by field."""
        start: dict[str, Condition] = {f"L_IC{name[0]}": InitialValues(name) for name in self.fields}
        if self.as_published:
            return start | {f"L_BC{name[0]}": Periodic("density") for name in self.fields}
        return start | {f"L_BC{name[0]}": Periodic(name, slope=name == "velocity") for name in self.fields}


def _inviscid(x: torch.Tensor, *fields: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return d_t + (d v)_x, d (v_t + v v_x), p_x and E_t + (v (E + p))_x."""
    d, v, p = fields
    (d_x, d_t), (v_x, v_t), (p_x, p_t) = (gradient(field, x) for field in fields)
    energy = p / (GAMMA - 1) + d * v**2 / 2
    energy_x = p_x / (GAMMA - 1) + d_x * v**2 / 2 + d * v * v_x
    energy_t = p_t / (GAMMA - 1) + d_t * v**2 / 2 + d * v * v_t
    mass = d_t + d_x * v + d * v_x
    return mass, d * (v_t + v * v_x), p_x, energy_t + v_x * (energy + p) + v * (energy_x + p_x)
