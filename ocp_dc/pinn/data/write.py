"""Write solutions in the layout of PDEBench's files, so that the same reader reads both."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocp_dc import __version__
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing
from ocp_dc.pinn.data.layouts import Layout, layout_of, sample_name
from ocp_dc.pinn.data.safe_hdf5 import h5py
from ocp_dc.pinn.physics.solution import Solution


def write_solution(path: Path | str, solutions: Solution | Sequence[Solution]) -> None:
    """Write one solution, or several as the samples 0, 1, ..., in the layout of PDEBench's file of their task.

    Values are stored in float32, as in PDEBench's files. The attribute ``source`` of the file names ocp_dc. The file is
    written atomically.

    Raises:
        UserError: there is nothing to write, tasks differ, fields or axes are not those of the layout, values do not
            fit float32, or samples of a stacked file differ in their axes or parameters.
    """
    library = h5py()
    samples = [solutions] if isinstance(solutions, Solution) else list(solutions)
    if not samples:
        raise UserError(f"{path}: got no solutions to write, expected at least one")
    layout = layout_of(samples[0].task)
    for solution in samples:
        _check(path, layout, solution)
    content = io.BytesIO()  # HDF5 ends the process with a segmentation fault if it closes a file on a full disk
    with library.File(content, "w") as file:
        file.attrs["source"] = f"ocp_dc {__version__}"
        if layout.grouped:
            for number, solution in enumerate(samples):
                _write_group(layout, file.create_group(sample_name(number)), solution)
        else:
            _write_stack(path, layout, file, samples)
    with replacing(path) as new:
        new.write_bytes(content.getbuffer())


def _write_stack(path: Path | str, layout: Layout, file: Any, samples: list[Solution]) -> None:
    first = samples[0]
    for solution in samples[1:]:
        same_axes = all(np.array_equal(first.axes[axis], solution.axes[axis]) for axis in layout.axes)
        if not same_axes or dict(first.parameters) != dict(solution.parameters):
            raise UserError(f"{path}: got samples with different axes or parameters, expected one set for all")
    for name, key in layout.fields.items():
        file[key] = np.stack([solution.fields[name] for solution in samples]).astype(np.float32)
    times = first.axes["t"]
    longer = {**first.axes, "t": np.append(times, 2 * times[-1] - times[-2])}  # as in PDEBench
    for axis in layout.axes:
        file[layout.axis_key(axis)] = longer[axis].astype(np.float32)
    file.attrs.update(first.parameters)


def _write_group(layout: Layout, group: Any, solution: Solution) -> None:
    group["data"] = np.stack([solution.fields[name] for name in layout.fields], axis=-1).astype(np.float32)
    for axis in layout.axes:
        group[layout.axis_key(axis)] = solution.axes[axis].astype(np.float32)
    lines = [f"  {name}: {float(value)!r}" for name, value in solution.parameters.items()]
    group.attrs["config"] = "\n".join(["sim:", *lines, ""])


def _check(path: Path | str, layout: Layout, solution: Solution) -> None:
    got = (solution.task, tuple(solution.axes), tuple(solution.fields))
    expected = (layout.task, layout.axes, tuple(layout.fields))
    if got != expected:
        raise UserError(f"{path}: got task, axes and fields {got}, expected {expected}")
    unknown = set(solution.parameters) - set(layout.parameters)
    if unknown:
        raise UserError(f"{path}: got parameters {sorted(unknown)}, expected some of {', '.join(layout.parameters)}")
    shape = tuple(len(points) for points in solution.axes.values())
    for name, field in solution.fields.items():
        if field.shape != shape:
            raise UserError(f"{path}: field {name!r} has the shape {field.shape}, expected {shape}, as the axes have")
        if not (np.abs(field) <= np.finfo(np.float32).max).all():
            raise UserError(f"{path}: field {name!r} holds NaN, infinities or values beyond float32, expected numbers")
    for name, points in solution.axes.items():
        if len(points) < 2 or not (np.diff(points.astype(np.float32)) > 0).all():
            raise UserError(f"{path}: axis {name!r} does not rise in float32, expected at least two rising coordinates")
