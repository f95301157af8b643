"""Read one sample of a file of PDEBench."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import whole_number
from ocp_dc.pinn.data.layouts import FILE_LAYOUTS, Layout, layout_of, sample_name
from ocp_dc.pinn.data.safe_hdf5 import find, has_link, number_in, number_in_config, open_hdf5, read_numbers, text_in
from ocp_dc.pinn.physics.solution import Solution


def read_solution(task: str, path: Path | str, sample: int = 0) -> Solution:
    """Return one sample of a file of PDEBench, or of :func:`ocp_dc.pinn.data.write_solution`.

    Only this sample is read, since PDEBench's files take gigabytes. ``shallow_water`` has only the depth h, like its
    file, and the task is scored on h.

    Args:
        task: the name of the task, such as ``advection``.
        path: the HDF5 file.
        sample: the index of the sample.

    Returns:
        The solution in float64 (the files store float32), with the coefficients that the file contains.

    Raises:
        UserError: the file is missing, damaged or of another layout, the sample is out of range, values are not finite,
            or coordinates do not increase.
        UnsafeDataError: the file holds something other than plain numbers, or refers to other files.
    """
    layout = layout_of(task)
    whole_number(f"{path}: sample", sample, least=0)
    with open_hdf5(path) as file:
        others = [
            name for name, other in FILE_LAYOUTS.items() if other.grouped != layout.grouped and _resembles(file, other)
        ]
        if others:
            raise UserError(f"{path}: looks like a file of {' or '.join(others)}, expected one of {task}")
        return _from_group(layout, file, sample) if layout.grouped else _from_stack(layout, file, sample)


def _resembles(file: Any, layout: Layout) -> bool:
    return (
        has_link(file, sample_name(0)) if layout.grouped else any(has_link(file, key) for key in layout.fields.values())
    )


def _from_stack(layout: Layout, file: Any, sample: int) -> Solution:
    fields = {}
    for name, key in layout.fields.items():
        dataset = find(file, key, "dataset")
        _expect_rank(dataset, ("N", "T", "X"))
        if sample >= dataset.shape[0]:
            raise UserError(
                f"{file.filename}: got sample {sample}, expected at most {dataset.shape[0] - 1}: {key!r} has"
                f" {dataset.shape[0]} samples"
            )
        fields[name] = read_numbers(dataset, sample)
    parameters = {name: number_in(file.attrs, name) for name in layout.parameters}
    return _solution(layout, file, file, fields, parameters)


def _from_group(layout: Layout, file: Any, sample: int) -> Solution:
    name = sample_name(sample)
    if not has_link(file, name) and has_link(file, sample_name(0)):
        samples = sum(key.isdecimal() for key in file)
        raise UserError(f"{file.filename}: got sample {sample}, but there is no {name!r} among its {samples} samples")
    group = find(file, name, "group")
    dataset = find(group, "data", "dataset")
    _expect_rank(dataset, (*(axis.upper() for axis in layout.axes), "fields"))
    if dataset.shape[-1] != len(layout.fields):
        raise UserError(
            f"{file.filename}: {dataset.name!r} has {dataset.shape[-1]} fields, expected {len(layout.fields)}"
            f" ({', '.join(layout.fields)}) for {layout.task}"
        )
    values = read_numbers(dataset)
    fields = {field: values[..., channel].copy() for channel, field in enumerate(layout.fields)}
    config = text_in(group.attrs, "config") or text_in(file.attrs, f"{name}/config")  # PDEBench uses both
    parameters = {key: number_in_config(config, key) for key in layout.parameters}
    return _solution(layout, file, group, fields, parameters)


def _solution(
    layout: Layout, file: Any, group: Any, fields: dict[str, np.ndarray], parameters: dict[str, float | None]
) -> Solution:
    shapes = {field.shape for field in fields.values()}
    if len(shapes) > 1:
        raise UserError(f"{file.filename}: got fields of the shapes {sorted(shapes)}, expected one shape")
    axes = {
        axis: _axis(layout, find(group, layout.axis_key(axis), "dataset"), length)
        for axis, length in zip(layout.axes, shapes.pop(), strict=True)
    }
    known = {name: value for name, value in parameters.items() if value is not None}
    return Solution(task=layout.task, axes=axes, fields=fields, parameters=known)


def _axis(layout: Layout, dataset: Any, length: int) -> np.ndarray:
    _expect_rank(dataset, ("points",))
    where = f"{dataset.file.filename}: {dataset.name!r}"
    longer_is_fine = not layout.grouped and dataset.name.endswith("t-coordinate")
    if dataset.shape[0] < length or (dataset.shape[0] > length and not longer_is_fine):
        raise UserError(f"{where} has {dataset.shape[0]} points, expected {length}, as the fields have")
    points = read_numbers(dataset)[:length]
    if length < 2 or not (np.diff(points) > 0).all():
        raise UserError(f"{where} does not rise from point to point, expected at least two rising coordinates")
    return points


def _expect_rank(dataset: Any, axes: tuple[str, ...]) -> None:
    if dataset.ndim != len(axes):
        raise UserError(
            f"{dataset.file.filename}: {dataset.name!r} has the shape {dataset.shape}, expected {len(axes)} axes"
            f" ({', '.join(axes)})"
        )
