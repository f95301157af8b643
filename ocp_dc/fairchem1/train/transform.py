"""The dataset transform ``label_rescaling``, and its arming by the trainer that can undo it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from fairchem.core.modules.transforms import DataTransforms
from torch_geometric.data import Data

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.sample_check import ENERGY_KEYS, FORCES_KEYS, RELAXATION_KEYS
from ocp_dc.labels import LabelRescaling, Labels

NAME = "label_rescaling"


def label_rescaling(data: Data, settings: Any) -> Data:
    """Return a copy of a sample with its labels rescaled; fairchem calls it by its name.

    Args:
        data: a sample with energies (eV) under ``ENERGY_KEYS`` and ``RELAXATION_KEYS``, of which a key mapping may
            choose any, and forces (eV/Å) under ``FORCES_KEYS``.
        settings: the fitted :class:`~ocp_dc.labels.LabelRescaling`. A config block arrives here only under a trainer
            that did not fit it, and so cannot bring predictions back to physical units.

    Raises:
        UserError: the transform was not armed by ``trainer: dc``.
    """
    if not isinstance(settings, LabelRescaling):
        raise UserError(
            "label_rescaling: this trainer cannot bring predictions back to eV; "
            "set 'trainer: dc' (ocp_dc.fairchem1.trainer.DCTrainer) in the config"
        )
    data = copy.copy(data)  # the new sample gets new labels; tensors that stay are shared
    for key in ENERGY_KEYS + RELAXATION_KEYS:
        if key in data:
            energy = data[key]
            centers = settings.center(data.atomic_numbers)
            if torch.is_tensor(energy):
                data[key] = settings.scale_energy(energy, centers).to(torch.get_default_dtype()).view_as(energy)
            else:
                data[key] = float(settings.scale_energy(torch.tensor(energy, dtype=torch.float64), centers))
    for key in FORCES_KEYS:
        if key in data:
            data[key] = settings.scale_forces(data[key]).to(data[key].dtype)
    return data


def arm(dataset: Any, settings: LabelRescaling | None) -> None:
    """Give a dataset's ``label_rescaling`` transform its fitted numbers, or take the transform out.

    Args:
        dataset: a fairchem dataset or a subset of one.
        settings: the fitted numbers; None for labels in physical units.
    """
    base = getattr(dataset, "dataset", dataset)
    others = {name: value for name, value in (base.transforms.config or {}).items() if name != NAME}
    base.transforms = DataTransforms(others if settings is None else {**others, NAME: settings})


@contextlib.contextmanager
def unscaled(dataset: Any) -> Iterator[None]:
    """Let a dataset give its labels in physical units, without label rescaling, as long as the block lasts."""
    base = getattr(dataset, "dataset", dataset)
    original = base.transforms
    arm(dataset, None)
    try:
        yield
    finally:
        base.transforms = original


def iterate_labels(dataset: Any) -> Iterator[Labels]:
    """Yield atomic numbers, energy (eV) and the forces on free atoms (eV/Å) of every sample, before any rescaling.

    Forces are of shape (0, 3) where a sample has none, as where only relaxed energies are learned.

    Raises:
        UserError: a sample without an energy.
    """
    with unscaled(dataset):
        for index in range(len(dataset)):
            data = dataset[index]
            # a key mapping has made one of them the energy; it comes first
            energy = _first(data, ENERGY_KEYS + RELAXATION_KEYS)
            if energy is None:
                raise UserError(
                    f"label_rescaling: {_where(dataset, data, index)} has no energy; it has "
                    f"{', '.join(data.keys())}. The ase "
                    "formats read labels where the data set says a2g_args: {r_energy: true, r_forces: true}"
                )
            forces = _first(data, FORCES_KEYS)
            yield (
                np.asarray(data.atomic_numbers, dtype=np.int64),
                float(energy),
                np.zeros((0, 3)) if forces is None else np.asarray(forces[free_atoms(data)], dtype=np.float64),
            )


def free_atoms(data: Data) -> torch.Tensor:
    """Return which atoms of a sample or batch may move, (atoms,) bool; all where nothing says which are fixed."""
    return data.fixed == 0 if "fixed" in data else torch.ones(len(data.pos), dtype=torch.bool, device=data.pos.device)


def _where(dataset: Any, data: Data, index: int) -> str:
    """Return what messages call a training sample: where the data are, and its number there."""
    source = getattr(getattr(dataset, "dataset", dataset), "config", {}).get("src", "the training set")
    return f"{source}: record {data.id}" if "id" in data else f"{source}: training sample {index}"


def _first(data: Data, keys: tuple[str, ...]) -> Any:
    return next((data[key] for key in keys if key in data and data[key] is not None), None)
