"""Read an inference checkpoint of fairchem 2 with a native backbone as a saved potential."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ocp_dc.checkpoints.inference_checkpoint import InferenceCheckpoint
from ocp_dc.checkpoints.models import of_fairchem2
from ocp_dc.checkpoints.saved_potential import SavedPotential, Scaling, build_potential, check_weights
from ocp_dc.checkpoints.to_fairchem2 import HEAD, POTENTIAL
from ocp_dc.core.errors import UserError
from ocp_dc.models.shared_names import with_second_names

# arguments of every native backbone that are not arguments of a potential
GRAPH = ("use_pbc", "max_neighbors")
# forces are -dE/dx here, and the scale factors are among the weights
NOT_IN_FAIRCHEM1 = ("model", "regress_stress", "direct_forces", "scale_file")
FREE_ATOMS = ("train_on_free_atoms", "eval_on_free_atoms")


def saved_potential(checkpoint: InferenceCheckpoint, where: str) -> SavedPotential:
    """Return the potential in an inference checkpoint, with the averaged weights.

    Args:
        checkpoint: the content of the file.
        where: the file, for messages.

    Raises:
        UserError: it has no native backbone, or something that fairchem 1.10 does not have.
    """
    config = checkpoint.model_config
    backbone: Mapping[str, Any] = config["backbone"] if isinstance(config.get("backbone"), Mapping) else {}
    model = of_fairchem2(backbone.get("model"), where)
    _check_head(config.get("heads"), where)
    if backbone.get("direct_forces") or backbone.get("regress_forces", True) is not True:
        raise UserError(f"{where}: its forces are not the gradient of the energy, and only such a model is converted")
    graph_keys = (*GRAPH, *model.graph_arguments)
    graph = {key: value for key, value in backbone.items() if key in graph_keys}
    arguments = {key: value for key, value in backbone.items() if key not in (*graph_keys, *NOT_IN_FAIRCHEM1)}
    dc = config.get("dc")
    weights = {
        name.removeprefix(POTENTIAL): value for name, value in checkpoint.weights.items() if name.startswith(POTENTIAL)
    }
    potential = build_potential(model, arguments, dc, weights)
    weights = with_second_names(weights, potential)
    check_weights(potential, weights, where)
    energy, forces = _tasks(checkpoint.tasks_config, where)
    return SavedPotential(
        model,
        arguments,
        {key: value for key, value in graph.items() if value is not None},
        dc,
        weights,
        task_scaling(energy, where),
        task_scaling(forces, where),
        task_references(energy, where),
        {key: bool(forces[key]) for key in FREE_ATOMS if key in forces},
    )


def _check_head(heads: Any, where: str) -> None:
    found = [head.get("module") for head in heads.values()] if isinstance(heads, Mapping) else []
    if found != [HEAD]:
        raise UserError(f"{where}: its heads are {found}, expected one {HEAD}, which every native backbone has")


def _tasks(tasks: Sequence[Mapping[str, Any]], where: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the task of the energy and that of the forces."""
    found = {name: [task for task in tasks if task.get("property") == name] for name in ("energy", "forces")}
    for name, each in found.items():
        if len(each) != 1:
            raise UserError(
                f"{where}: has {len(each)} tasks of {name}, of {[task.get('datasets') for task in each]}; a checkpoint "
                "of fairchem 1.10 has one"
            )
    return found["energy"][0], found["forces"][0]


def task_scaling(task: Mapping[str, Any], where: str) -> Scaling:
    """Return what brings the output of a task to physical units.

    Raises:
        UserError: its normalizer has no numbers.
    """
    normalizer = task.get("normalizer")
    normalizer = normalizer if isinstance(normalizer, Mapping) else {}
    numbers = [_number(normalizer.get(key, default)) for key, default in (("rmsd", 1.0), ("mean", 0.0))]
    if None in numbers:
        raise UserError(f"{where}: the normalizer of task {task.get('name')!r} has no numbers; it is damaged")
    return Scaling(*numbers)  # type: ignore[arg-type]


def _number(value: Any) -> float | None:
    """Return a number that the config gives itself or as a tensor with one element."""
    if isinstance(value, Mapping):
        numbers = _numbers(value)
        value = numbers[0] if numbers is not None and len(numbers) == 1 else None
    return float(value) if type(value) in (int, float) else None


def task_references(task: Mapping[str, Any], where: str) -> Tensor | None:
    """Return the energies per element of a task in eV, float64 [Z_max + 1]; None without any.

    Raises:
        UserError: they are not a list of numbers.
    """
    block = task.get("element_references")
    if block is None:
        return None
    numbers = _numbers(block.get("element_references")) if isinstance(block, Mapping) else None
    if numbers is None:
        raise UserError(f"{where}: the element references of task {task.get('name')!r} are not a list of numbers")
    return torch.tensor(numbers, dtype=torch.float64)


def _numbers(block: Any) -> list[float] | None:
    arguments = block.get("_args_") if isinstance(block, Mapping) else None
    numbers = arguments[0] if isinstance(arguments, list) and len(arguments) == 1 else None
    return numbers if isinstance(numbers, list) and all(type(n) in (int, float) for n in numbers) else None
