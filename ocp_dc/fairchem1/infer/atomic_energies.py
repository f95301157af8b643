"""Energies of atoms by native models, in physical units."""

from __future__ import annotations

import copy
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ocp_dc.fairchem1.train.model_boundaries import adapt_boundaries
from ocp_dc.fairchem1.trainer import DCTrainer
from ocp_dc.fairchem1.wrappers.native_model import native_model
from ocp_dc.models.potential import Potential
from ocp_dc.training.averages import averaged_weights
from ocp_dc.training.subnormals import flushed_subnormals


def has_atomic_energies(trainer: DCTrainer) -> bool:
    """Return whether the model of a trainer is a native one whose energy is a sum over the atoms."""
    native = native_model(trainer._unwrapped_model)
    return native is not None and native.uses_native and cast(Potential[Any], native).has_atomic_energies


@torch.no_grad()
def atomic_energies(trainer: DCTrainer, batch: Any) -> NDArray[np.float64]:
    """Return the energy of each atom in eV, [N], with a constant of each structure counted for each atom.

    Args:
        trainer: one for which :func:`has_atomic_energies` is true.
        batch: the structures.
    """
    model: Any = trainer._unwrapped_model
    seen = adapt_boundaries(model, batch).to(trainer.device)
    numbers = seen.atomic_numbers.long()
    use_amp = trainer.state.scaler is not None
    with averaged_weights(trainer.state), flushed_subnormals(), torch.autocast("cuda", enabled=use_amp):
        model.eval()
        terms = model.atomic_energies(numbers, seen.pos, model.build_graph(model.find_edges(seen)))  # [N]
    atoms = copy.copy(seen)  # each atom as a structure by itself
    atoms.batch, atoms.natoms = torch.arange(len(numbers), device=numbers.device), torch.ones_like(numbers)
    physical = trainer._denorm_preds("energy", terms.double()[:, None], atoms)  # [N, 1]
    energies: NDArray[np.float64] = physical[:, 0].double().cpu().numpy()
    return energies
