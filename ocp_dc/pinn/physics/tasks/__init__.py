"""The five tasks of the published runs, by name."""

from __future__ import annotations

from ocp_dc.core.errors import unknown_name
from ocp_dc.pinn.physics.task import Task
from ocp_dc.pinn.physics.tasks.advection import Advection
from ocp_dc.pinn.physics.tasks.compressible_flow import CompressibleFlow
from ocp_dc.pinn.physics.tasks.diffusion_reaction import DiffusionReaction
from ocp_dc.pinn.physics.tasks.diffusion_sorption import DiffusionSorption
from ocp_dc.pinn.physics.tasks.shallow_water import ShallowWater

# names of loss terms begin with their kind: equations, initial values, borders, data
_TERM_KINDS = ("L_f", "L_IC", "L_BC", "L_data")
_TASKS: dict[str, type[Task]] = {
    task.name: task for task in (Advection, CompressibleFlow, DiffusionSorption, DiffusionReaction, ShallowWater)
}


def task_names() -> list[str]:
    """Return the names of all tasks, one-dimensional tasks first."""
    return list(_TASKS)


def task_class(name: str) -> type[Task]:
    """Return the class of the task with a name.

    Raises:
        UserError: there is no such task.
    """
    if name not in _TASKS:
        raise unknown_name("task", name, _TASKS)
    return _TASKS[name]


def all_loss_terms() -> tuple[str, ...]:
    """Return the names of the loss terms of all tasks, in both forms of their equations, sorted by kind."""
    tasks = (task_class(name)(as_published=published) for name in sorted(_TASKS) for published in (False, True))
    names = dict.fromkeys(name for task in tasks for name in task.loss_terms())
    return tuple(sorted(names, key=lambda name: next(i for i, kind in enumerate(_TERM_KINDS) if name.startswith(kind))))
