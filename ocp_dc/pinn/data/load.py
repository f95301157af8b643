"""Load or generate the solution of a config; determine the constant C and check times against it."""

from __future__ import annotations

import numpy as np

from ocp_dc.core.errors import UserError
from ocp_dc.pinn.data.generate import generate
from ocp_dc.pinn.data.read import read_solution
from ocp_dc.pinn.options import INITIAL_RMS, SolutionOptions
from ocp_dc.pinn.physics.solution import Solution


def load_solution(task: str, options: SolutionOptions) -> Solution:
    """Return the solution: read from the file that the options name, or generated."""
    if options.path is not None:
        return read_solution(task, options.path, options.sample)
    return generate(task, options.size, options.times, options.seed)


def rescaling_constant(scale: float | str, solution: Solution) -> float:
    """Return the constant C of label rescaling as a number.

    Raises:
        UserError: ``initial_rms`` was given, and all initial values are zero.
    """
    if scale != INITIAL_RMS:
        return float(scale)
    rms = float(np.sqrt(np.mean([np.mean(field[0] ** 2) for field in solution.fields.values()])))
    if rms == 0:
        raise UserError(f"label_rescaling.scale: {INITIAL_RMS} is zero, as all initial values are; give a number")
    return rms


def check_times(times: tuple[float, ...] | None, solution: Solution) -> None:
    """Check that the times of images are within half a step of times of the data.

    Raises:
        UserError: a time is not; the message names the first such time.
    """
    grid = solution.axes["t"]
    first, last = grid[0], grid[-1]
    slack = (last - first) / (2 * max(1, len(grid) - 1))
    for time in times or ():
        if not first - slack <= time <= last + slack:
            raise UserError(f"times: got {time:g}, expected times of the data, from {first:g} to {last:g}")
