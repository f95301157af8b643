"""PDEBench's data for the physics-informed tasks: read, written and, at small size, generated."""

from ocp_dc.pinn.data.generate import generate, make_data
from ocp_dc.pinn.data.read import read_solution
from ocp_dc.pinn.data.write import write_solution

__all__ = ["generate", "make_data", "read_solution", "write_solution"]
