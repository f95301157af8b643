"""Test errors of the physics-informed tasks, in the units of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from ocp_dc.pinn.physics.solution import Solution
from ocp_dc.pinn.physics.task import Task

LAST = 20  # number of time steps that are scored
CHUNK = 65536  # points per forward pass


def predict(net: nn.Module, task: Task, solution: Solution) -> dict[str, np.ndarray]:
    """Return the prediction of every observed field on the grid of the data, in physical units.

    Args:
        net: the network; it is in evaluation mode afterwards.
        task: the network's task, with its scale.
        solution: the data; only its grid is used.

    Returns:
        Values by field, float64 `[T, X]` or `[T, X, Y]`.
    """
    parameter = next(net.parameters())
    net.eval()
    points = torch.as_tensor(solution.points, dtype=parameter.dtype, device=parameter.device)
    with torch.no_grad():
        scaled = torch.cat([net(chunk) for chunk in points.split(CHUNK)])  # [points, fields]
    values = scaled.double().cpu().numpy() * task.scale
    shape = tuple(len(axis) for axis in solution.axes.values())
    return {name: values[:, task.fields.index(name)].reshape(shape) for name in solution.fields}


def solution_errors(predicted: Mapping[str, np.ndarray], solution: Solution, last: int = LAST) -> dict[str, Any]:
    """Return MSE, RMSE and nRMSE over the last time steps, for each field and averaged over the fields.

    The definitions are those of PDEBench (arXiv 2210.07182, its ``metrics.py``): RMSE and nRMSE are computed in space
    at each time and then averaged over times; nRMSE is the RMSE divided by the root mean square of the data at that
    time. MSE is the mean over space and time.

    Args:
        predicted: values by field, `[T, X]` or `[T, X, Y]`.
        solution: the data.
        last: the number of time steps; all if there are fewer.
    """
    fields = {name: _errors(predicted[name][-last:], true[-last:]) for name, true in solution.fields.items()}
    overall = {key: float(np.mean([errors[key] for errors in fields.values()])) for key in ("MSE", "RMSE", "nRMSE")}
    times = solution.axes["t"][-last:]
    return {"overall": overall, "fields": fields, "time_steps": len(times), "from": times[0], "to": times[-1]}


def _errors(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    space = tuple(range(1, true.ndim))
    squares = np.square(predicted - true).mean(axis=space)  # [T]
    size = np.sqrt(np.square(true).mean(axis=space))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.sqrt(squares) / size
    return {"MSE": float(squares.mean()), "RMSE": float(np.sqrt(squares).mean()), "nRMSE": float(relative.mean())}
