"""Generate small data sets by task, for tests and for use without a download; the defaults take seconds."""

from __future__ import annotations

import importlib
from pathlib import Path

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import whole_number
from ocp_dc.pinn.data.layouts import layout_of
from ocp_dc.pinn.data.write import write_solution
from ocp_dc.pinn.physics.solution import Solution

SIZES = {2: 128, 3: 32}  # cells in each direction, by the number of axes
TIMES = {2: 41, 3: 21}
MOST_VALUES = 1 << 27  # of one field: 1 GiB
SUFFIXES = (".h5", ".hdf5")


def generate(task: str, size: int | None = None, times: int | None = None, seed: int = 0) -> Solution:
    """Return a solution of a task's equations, from its exact form or a solver.

    Args:
        task: the name of the task, such as ``advection``.
        size: cells in each direction; None for 128, in two dimensions 32.
        times: instants from 0 to the task's end; None for 41, in two dimensions 21.
        seed: the seed of the initial condition.

    Returns:
        The solution in float64, at the centers of the cells.

    Raises:
        UserError: there is no such task, or a number is out of range.
    """
    layout = layout_of(task)
    size = SIZES[len(layout.axes)] if size is None else size
    times = TIMES[len(layout.axes)] if times is None else times
    whole_number(f"{task}: size", size, least=8)
    whole_number(f"{task}: times", times, least=2)
    whole_number(f"{task}: seed", seed, least=0)
    if (values := times * size ** (len(layout.axes) - 1)) > MOST_VALUES:
        raise UserError(f"{task}: got size {size} and times {times}, {values} values, expected at most {MOST_VALUES}")
    return importlib.import_module(f"ocp_dc.pinn.data.generators.{task}").solve(size, times, seed)


def make_data(
    task: str, out: Path | str, seed: int = 0, size: int | None = None, times: int | None = None, samples: int = 1
) -> Path:
    """Generate data and write them in the layout of PDEBench's file of the task.

    Args:
        task: the name of the task.
        out: the file, if the name ends in ``.h5`` or ``.hdf5``; else a folder for a file with the name of PDEBench's
            file.
        seed: the seed of the first sample; it increases by 1 for each further sample.
        size: see :func:`generate`.
        times: see :func:`generate`.
        samples: the number of samples.

    Returns:
        The path of the file.

    Raises:
        UserError: an argument is out of range, the file exists (it might be PDEBench's), or it cannot be written.
    """
    path = Path(out)
    if path.suffix.lower() not in SUFFIXES:
        path = path / layout_of(task).file_name
    if path.exists():
        raise UserError(f"{path}: exists and is not overwritten; give another name, or remove it")
    whole_number(f"{task}: seed", seed, least=0)
    whole_number(f"{task}: samples", samples, least=1)
    solutions = [generate(task, size, times, seed + number) for number in range(samples)]
    try:
        write_solution(path, solutions)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); give another name") from error
    return path
