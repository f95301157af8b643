"""Everything of a training before its first step: task, data, network after surgery, sampled points, named losses."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from typing import Any

import numpy as np
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.nn import activation, smoothness
from ocp_dc.pinn.data import generate, read_solution
from ocp_dc.pinn.deepxde.backend import dde
from ocp_dc.pinn.deepxde.collocation import Collocation, takes_batch_statistics
from ocp_dc.pinn.deepxde.network import FullyConnected, apply_surgery
from ocp_dc.pinn.options import INITIAL_RMS, DataOptions, PinnOptions
from ocp_dc.pinn.physics.losses import NamedLosses
from ocp_dc.pinn.physics.solution import Solution
from ocp_dc.pinn.physics.task import Task
from ocp_dc.pinn.physics.tasks import task_class
from ocp_dc.surgery import Report, fitting_gains

FAMILY = ("irelu", "twice_integrated_relu")  # ReLU integrated once, twice


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """What a training starts from.

    Args:
        task: the physics.
        solution: the data, in physical units.
        net: the network, after surgery.
        report: what surgery did.
        losses: the loss terms by name.
        model: DeepXDE's model, compiled.
    """

    task: Task
    solution: Solution
    net: FullyConnected
    report: Report
    losses: NamedLosses
    model: Any

    @property
    def data_digest(self) -> str:
        """A digest of all sampled points, the data and C: a training that goes on has to have the same."""
        arrays = (self.model.data.train_x, self.solution.values, np.array(self.task.scale))
        return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def set_up(options: PinnOptions) -> Setup:
    """Build everything that a training needs; random numbers are set to the seed first.

    Raises:
        UserError: an unknown task or loss term, data that cannot be read or do not fit, times that they do not have,
            or surgery that cannot be done.
    """
    cls = task_class(options.task)
    solution = load_solution(options.task, options.data)
    task = cls(
        scale=rescaling_constant(options.label_rescaling.scale, solution),
        as_published=options.as_published,
        data_share=options.data.share,
    )
    _check_times(options.times, solution)
    dde.config.set_random_seed(options.seed)
    net = build_network(task, options)
    report = apply_surgery(net, options.dc)
    _warn_of_roughness(task, net)
    if takes_batch_statistics(net):
        logging.warning(
            "with batch normalization the derivatives that are trained hold the statistics of the points, and those of "
            "the network that is kept do not: it may be far from its equations; dc.denormalize: batchnorm takes it out"
        )
    conditions = task.conditions(solution, options.seed)
    data = Collocation(
        task.geometry(),
        lambda x, y: list(task.residuals(x, y).values()),
        list(conditions.values()),
        num_domain=options.sampling.domain,
        num_boundary=options.sampling.boundary,
        num_initial=options.sampling.initial,
    )
    names = [*_residual_names(task, net), *conditions]
    losses = NamedLosses(names, options.loss_weights, net)
    _check_points(data, names)
    with fitting_gains(net) as gains:
        if gains:
            net(torch.as_tensor(data.train_x))
    model = dde.Model(data, net)
    optim = options.optim
    model.compile(optim.name, lr=optim.lr, loss=losses.functions(), loss_weights=losses.weights, verbose=0)
    return Setup(task, solution, net, report, losses, model)


def build_network(task: Task, options: PinnOptions) -> FullyConnected:
    """Return the network of a task, before surgery, its weights random."""
    return FullyConnected(len(task.coordinates), len(task.fields), options.network, task.final_activation)


def load_solution(task: str, options: DataOptions) -> Solution:
    """Return the data: read where a file is named, generated else."""
    if options.path is not None:
        return read_solution(task, options.path, options.sample)
    return generate(task, options.size, options.times, options.seed)


def rescaling_constant(scale: float | str, solution: Solution) -> float:
    """Return C as a number.

    Raises:
        UserError: ``initial_rms``, and all initial values are zero.
    """
    if scale != INITIAL_RMS:
        return float(scale)
    rms = float(np.sqrt(np.mean([np.mean(field[0] ** 2) for field in solution.fields.values()])))
    if rms == 0:
        raise UserError(f"label_rescaling.scale: {INITIAL_RMS} is zero, as all initial values are; give a number")
    return rms


def _residual_names(task: Task, net: FullyConnected) -> list[str]:
    """Return the names of the residuals, which only a call tells."""
    x = torch.zeros(2, len(task.coordinates), requires_grad=True)
    modes = net.training
    names = list(task.residuals(x, net.eval()(x)))
    net.train(modes)
    dde.grad.clear()
    return names


def _check_times(times: tuple[float, ...] | None, solution: Solution) -> None:
    """Refuse times that are further than half a step from those of the data."""
    grid = solution.axes["t"]
    first, last = grid[0], grid[-1]
    slack = (last - first) / (2 * max(1, len(grid) - 1))
    for time in times or ():
        if not first - slack <= time <= last + slack:
            raise UserError(f"times: got {time:g}, expected times of the data, from {first:g} to {last:g}")


def _check_points(data: Any, names: list[str]) -> None:
    """Refuse a sampling that leaves a term without points, so that its mean would be NaN."""
    conditions = names[len(names) - len(data.num_bcs) :]
    empty = [name for name, points in zip(conditions, data.num_bcs, strict=True) if not points]
    if empty:
        raise UserError(f"sampling: leaves {', '.join(empty)} without points; raise boundary and initial")


def _warn_of_roughness(task: Task, net: FullyConnected) -> None:
    """Warn where the equations hold derivatives that an activation cannot give."""
    found = {repr(function): smoothness(function) for function in net.modules() if function is not net.final}
    rough = [name for name, order in found.items() if order is not None and order < task.derivative_order]
    if rough:
        better = next((n for n in FAMILY if (smoothness(activation(n)) or 0) >= task.derivative_order), None)
        offer = f"{better} of the same family, or a smooth one such as tanh" if better else "a smooth one such as tanh"
        logging.warning(
            f"the equations of {task.name} hold derivatives of order {task.derivative_order}, and those of "
            f"{', '.join(rough)} jump before: the residual is discontinuous; try {offer}"
        )
