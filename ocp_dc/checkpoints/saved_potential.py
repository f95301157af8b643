"""A trained potential without its host: arguments, weights, and how outputs become physical units."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ocp_dc.checkpoints.models import ConvertibleModel
from ocp_dc.checkpoints.probe import forward_once
from ocp_dc.core.errors import UserError
from ocp_dc.models.potential import Potential
from ocp_dc.surgery import DCOptions, apply_surgery


@dataclasses.dataclass(frozen=True)
class Scaling:
    """What brings an output of the model to physical units: ``output * scale + mean``, in eV or eV/Å."""

    scale: float = 1.0
    mean: float = 0.0


@dataclasses.dataclass(frozen=True)
class SavedPotential:
    """A trained potential.

    Args:
        model: which one.
        arguments: those of its potential, as in fairchem 1.10; forces are -dE/dx.
        graph: the arguments of the graph.
        dc: the ``dc:`` block, with the keys that every model takes; None without one.
        weights: the weights for predictions, by their names in the potential.
        energy: what the energies are multiplied by, and what is added to each.
        forces: the same for forces.
        references: energy per element in eV, float64 [Z_max + 1], NaN for elements without one; None without any.
        outputs: whether forces count on free atoms only: ``train_on_free_atoms`` and ``eval_on_free_atoms``.
    """

    model: ConvertibleModel
    arguments: Mapping[str, Any]
    graph: Mapping[str, Any]
    dc: Mapping[str, Any] | None
    weights: Mapping[str, Tensor]
    energy: Scaling = Scaling()
    forces: Scaling = Scaling()
    references: Tensor | None = None
    outputs: Mapping[str, bool] = dataclasses.field(default_factory=dict)


def build_potential(
    model: ConvertibleModel, arguments: Mapping[str, Any], dc: Mapping[str, Any] | None, weights: Mapping[str, Tensor]
) -> Potential[Any]:
    """Return a potential with the layers that a checkpoint describes; its weights and tables of elements are not.

    Raises:
        UserError: an argument is unknown or not valid, or the ``dc:`` block is.
    """
    with torch.random.fork_rng(devices=[]):  # the initial weights are drawn, and are replaced by the file's
        try:
            potential = model.build(arguments, weights)
        except TypeError as error:
            raise UserError(f"the arguments of {model.title} are not those of fairchem 1.10: {error}") from error
        options = DCOptions.from_block(dc, "model.dc")
        options.check("model.dc")
        if not options.is_noop:
            apply_surgery(potential, options, model.regions, forward_once, "model.dc")
    return potential


def check_weights(potential: Potential[Any], weights: Mapping[str, Tensor], where: str) -> None:
    """Check that weights have the names and shapes of a potential.

    Raises:
        UserError: they have not.
    """
    own = potential.state_dict()
    missing, surplus = sorted(set(own) - set(weights)), sorted(set(weights) - set(own))
    if missing or surplus:
        lacks = f"lack {', '.join(missing[:3])} ({len(missing)} in all)" if missing else ""
        extra = f"have {', '.join(surplus[:3])} beyond those of the model ({len(surplus)})" if surplus else ""
        raise UserError(f"{where}: its weights {' and '.join(part for part in (lacks, extra) if part)}; it is damaged")
    for name, value in own.items():
        if value.shape != weights[name].shape:
            raise UserError(
                f"{where}: its weight {name} has the shape {list(weights[name].shape)}, and the config describes "
                f"{list(value.shape)}; it is damaged"
            )
