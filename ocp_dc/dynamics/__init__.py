"""Molecular dynamics and relaxations with any calculator of ASE."""

from __future__ import annotations

from ocp_dc.dynamics.md import run_md
from ocp_dc.dynamics.options import MDOptions, RelaxOptions
from ocp_dc.dynamics.relaxation import Relaxation, relax

__all__ = ["MDOptions", "RelaxOptions", "Relaxation", "relax", "run_md"]
