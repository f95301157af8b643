"""Set up a training run: task, data, network after surgery, sampled points and named losses."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.nn import activation, smoothness
from ocp_dc.pinn.data.load import check_times, load_solution, rescaling_constant
from ocp_dc.pinn.deepxde.backend import dde
from ocp_dc.pinn.deepxde.collocation import Collocation, takes_batch_statistics
from ocp_dc.pinn.deepxde.conditions import build_conditions, build_geometry
from ocp_dc.pinn.deepxde.fingerprint import fingerprint
from ocp_dc.pinn.deepxde.network import FullyConnected, apply_surgery
from ocp_dc.pinn.options import PinnOptions
from ocp_dc.pinn.physics.losses import NamedLosses
from ocp_dc.pinn.physics.solution import Solution
from ocp_dc.pinn.physics.task import Task
from ocp_dc.pinn.physics.tasks import task_class
from ocp_dc.surgery import Report, fitting_gains

INTEGRATED_RELUS = ("irelu", "twice_integrated_relu")  # ReLU integrated once, twice


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """The parts of a training run, before its first step.

    Args:
        task: the physics.
        solution: the data, in physical units.
        net: the network, after surgery.
        report: the report of surgery.
        losses: the loss terms by name.
        model: DeepXDE's model, compiled.
    """

    task: Task
    solution: Solution
    net: FullyConnected
    report: Report
    losses: NamedLosses
    model: Any

    @functools.cached_property
    def fingerprint(self) -> list[float]:
        """The fingerprint of all sampled points, the data and C, which a resumed training run must have too."""
        return fingerprint((self.model.data.train_x, self.solution.values, np.array(self.task.scale)))


def set_up(options: PinnOptions) -> Setup:
    """Set the random seed, and build everything that a training run needs.

    Raises:
        UserError: the task or a loss term is unknown, the data cannot be read or do not fit the task or the times, or
            the surgery is not possible.
    """
    cls = task_class(options.task)
    solution = load_solution(options.task, options.data)
    task = cls(
        scale=rescaling_constant(options.label_rescaling.scale, solution),
        as_published=options.as_published,
        data_share=options.data.share,
    )
    check_times(options.times, solution)
    dde.config.set_random_seed(options.seed)
    net = build_network(task, options)
    report = apply_surgery(net, options.dc)
    _warn_of_roughness(task, net)
    if takes_batch_statistics(net):
        logging.warning(
            "with batch normalization, the derivatives during training include those of the batch statistics, and "
            "those of the saved network do not: it may be far from satisfying its equations; dc.denormalize: "
            "batchnorm removes it"
        )
    conditions = build_conditions(task, solution, options.seed)
    data = Collocation(
        build_geometry(task),
        lambda x, y: list(task.residuals(x, y).values()),
        list(conditions.values()),
        num_domain=options.sampling.domain,
        num_boundary=options.sampling.boundary,
        num_initial=options.sampling.initial,
    )
    names = task.loss_terms()
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
    """Return the network of a task before surgery, with random weights."""
    return FullyConnected(len(task.coordinates), len(task.fields), options.network, task.final_activation)


def _check_points(data: Any, names: Sequence[str]) -> None:
    """Check that every term has points: the mean over none would be NaN."""
    conditions = names[len(names) - len(data.num_bcs) :]
    empty = [name for name, points in zip(conditions, data.num_bcs, strict=True) if not points]
    if empty:
        raise UserError(f"sampling: leaves {', '.join(empty)} without points; raise boundary and initial")


def _warn_of_roughness(task: Task, net: FullyConnected) -> None:
    """Warn if the equations contain derivatives that are not continuous for an activation."""
    found = {repr(function): smoothness(function) for function in net.modules() if function is not net.final}
    rough = [name for name, order in found.items() if order is not None and order < task.derivative_order]
    if rough:
        better = next((n for n in INTEGRATED_RELUS if (smoothness(activation(n)) or 0) >= task.derivative_order), None)
        offer = f"{better} of the same family, or a smooth one such as tanh" if better else "a smooth one such as tanh"
        logging.warning(
            f"the equations of {task.name} contain derivatives up to order {task.derivative_order}, which are not all "
            f"continuous for {', '.join(rough)}: the residual is discontinuous; try {offer}"
        )
