"""The stress of models of fairchem 1.10: the derivative of the energy by a strain, divided by the volume.

eSEN computes it in its own forward pass, native models in theirs. In front of all others, hooks strain the positions
and the cell of the batch, from which fairchem computes the vectors of the edges.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from fairchem.core.models.base import HydraModel
from torch import Tensor

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.models.potential import GraphPotential
from ocp_dc.fairchem1.train.model_boundaries import has_boundaries, periodic_directions
from ocp_dc.models.potential import Potential
from ocp_dc.models.strain import moved_points, stresses
from ocp_dc.surgery.direct_forces import forces_are_gradients

# classes of fairchem by their paths: to import all of them takes seconds
MODELS = "fairchem.core.models."
# of the models without a dc: block, those whose forces are -dE/dx unless they are direct
CONSERVATIVE = frozenset(
    MODELS + path
    for path in (
        "schnet.SchNetWrap",
        "gemnet.gemnet.GemNetT",
        "gemnet_gp.gemnet.GraphParallelGemNetT",
        "gemnet_oc.gemnet_oc.GemNetOC",
    )
)
ESEN_HEAD = frozenset({MODELS + "esen.esen.MLP_EFS_Head"})
_STRAIN = "_ocp_dc_strain"  # attribute of a batch: its strain, [B, 3, 3]


def is_conservative(model: Any) -> bool:
    """Return whether a model, with or without a ``dc:`` block, predicts forces that are the gradient of its energy."""
    if (known := getattr(model, "conservative", None)) is not None:
        return bool(known)
    if isinstance(model, HydraModel):
        from ocp_dc.fairchem1.wrappers.hydra import takes_gradients

        return takes_gradients(model)
    return (isinstance(model, Potential) or _derives_from(model, CONSERVATIVE)) and forces_are_gradients(model)


def why_no_stress(model: Any) -> str | None:
    """Return why a model cannot return a stress, as part of a sentence; None if it can."""
    if not is_conservative(model):
        return "its forces are not the derivatives of its energy, and neither would be a stress"
    return None if has_boundaries(model) else "it has no periodic boundaries (use_pbc: false)"


def provide_stress(model: Any) -> None:
    """Let a model return the stress that ``outputs`` asks for; a hydra may have a head that predicts it instead.

    Raises:
        UserError: the model has no stress.
    """
    if (reason := why_no_stress(model)) is None:
        return_stress(model, True)
    elif not isinstance(model, HydraModel):
        name = getattr(model, "registered_name", type(model).__name__)
        raise UserError(f"outputs.stress: {name} has no stress: {reason}; remove it from outputs and loss_functions")


def return_stress(model: Any, wanted: bool) -> None:
    """Let a model return ``stress`` [B, 9] in eV/Å³ with its other outputs, or no longer.

    Args:
        model: one for which :func:`why_no_stress` returns None.
        wanted: whether the stress is returned.
    """
    esen = [head for head in getattr(model, "output_heads", {}).values() if _derives_from(head, ESEN_HEAD)]
    for part in (model, *([model.backbone, *esen] if esen else ())):
        part.regress_stress = wanted
    if not model._forward_hooks:
        model.register_forward_pre_hook(_prepare_batch)
        model.register_forward_hook(_add_stress)


def _prepare_batch(model: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Replace the batch by a copy; positions and cell depend on a strain of zero, unless the model strains them."""
    if not model.regress_stress:
        return None
    data = copy.copy(args[0])  # eSEN replaces its positions
    if not _strains_itself(model):
        strain = data.pos.new_zeros(len(data.natoms), 3, 3, requires_grad=True)
        with torch.enable_grad():
            symmetric = (strain + strain.mT) / 2
            data.pos = moved_points(data.pos, symmetric.index_select(0, data.batch))
            data.cell = data.cell + data.cell.bmm(symmetric)
        vars(data)[_STRAIN] = strain
    return (data, *args[1:])


def _derives_from(model: Any, paths: frozenset[str]) -> bool:
    return any(f"{each.__module__}.{each.__qualname__}" in paths for each in type(model).__mro__)


def _strains_itself(model: Any) -> bool:
    if isinstance(model, HydraModel):
        return any(_derives_from(head, ESEN_HEAD) for head in model.output_heads.values())
    return isinstance(model, GraphPotential) or getattr(model, "uses_native", False)


def _add_stress(model: Any, args: tuple[Any, ...], outputs: dict[str, Any]) -> dict[str, Any] | None:
    """Add the stress to the outputs for a strained batch, or take it from those of a head of eSEN."""
    if not model.regress_stress or "stress" in outputs:
        return None
    data = args[0]
    if (strain := vars(data).get(_STRAIN)) is None:
        return {**outputs, "stress": _output(outputs, "stress")}
    energy = _output(outputs, "energy")
    (virial,) = torch.autograd.grad(energy, strain, torch.ones_like(energy), create_graph=torch.is_grad_enabled())
    return {**outputs, "stress": stresses(virial, data.cell, periodic_directions(data)).flatten(1)}


def _output(outputs: dict[str, Any], name: str) -> Tensor:
    """Return an output by name; a hydra may return it in the dictionary of a head."""
    blocks = [outputs, *(value for value in outputs.values() if isinstance(value, dict))]
    return next(block[name] for block in blocks if isinstance(block.get(name), Tensor))
