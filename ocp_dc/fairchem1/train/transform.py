"""The dataset transform ``label_rescaling``, to which the trainer ``dc`` attaches the fitted rescaling."""

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
from ocp_dc.data.oc20_lmdb.sample_check import ENERGY_KEYS, FORCES_KEYS, RELAXATION_KEYS, STRESS_KEY
from ocp_dc.labels import LabelRescaling, Labels

TRANSFORM_NAME = "label_rescaling"


def label_rescaling(data: Data, settings: Any) -> Data:
    """Return a copy of a sample with rescaled labels; fairchem finds this function by its name.

    Args:
        data: a sample with energies (eV) under ``ENERGY_KEYS`` and ``RELAXATION_KEYS``, any of which a key mapping may
            select, forces (eV/Å) under ``FORCES_KEYS``, and a stress (eV/Å³) under ``STRESS_KEY``.
        settings: the fitted :class:`~ocp_dc.labels.LabelRescaling`. If the trainer does not fit it, and so cannot
            convert predictions back to physical units, this is the block of the config.

    Raises:
        UserError: the trainer is not ``dc`` and has attached no fitted rescaling.
    """
    if not isinstance(settings, LabelRescaling):
        raise UserError(
            "label_rescaling: this trainer cannot convert predictions back to eV; "
            "set 'trainer: dc' (ocp_dc.fairchem1.trainer.DCTrainer) in the config"
        )
    data = copy.copy(data)  # a shallow copy: only the labels are new tensors
    for key in ENERGY_KEYS + RELAXATION_KEYS:
        if key in data:
            energy = data[key]
            centers = settings.center(data.atomic_numbers)
            if torch.is_tensor(energy):
                data[key] = settings.scale_energy(energy, centers).to(torch.get_default_dtype()).view_as(energy)
            else:
                data[key] = float(settings.scale_energy(torch.tensor(energy, dtype=torch.float64), centers))
    for key in (*FORCES_KEYS, STRESS_KEY):
        if key in data:
            data[key] = settings.scale_forces(data[key]).to(data[key].dtype)
    return data


def attach_rescaling(dataset: Any, settings: LabelRescaling | None) -> None:
    """Attach the fitted rescaling to a dataset's ``label_rescaling`` transform, or remove the transform.

    Args:
        dataset: a fairchem dataset or a subset of one.
        settings: the fitted rescaling; None for labels in physical units.
    """
    base = getattr(dataset, "dataset", dataset)
    others = {name: value for name, value in (base.transforms.config or {}).items() if name != TRANSFORM_NAME}
    base.transforms = DataTransforms(others if settings is None else {**others, TRANSFORM_NAME: settings})


@contextlib.contextmanager
def unscaled(dataset: Any) -> Iterator[None]:
    """Make a dataset return its labels in physical units, without label rescaling, within the block."""
    base = getattr(dataset, "dataset", dataset)
    original = base.transforms
    attach_rescaling(dataset, None)
    try:
        yield
    finally:
        base.transforms = original


def iterate_labels(dataset: Any) -> Iterator[Labels]:
    """Yield atomic numbers, energy (eV) and the forces on free atoms (eV/Å) of every sample, before any rescaling.

    Forces have the shape ``[0, 3]`` if a sample has none, as when only relaxed energies are learned.

    Raises:
        UserError: a sample has no energy.
    """
    with unscaled(dataset):
        for index in range(len(dataset)):
            data = dataset[index]
            # if a key mapping has renamed an energy, it has the first key
            energy = _first(data, ENERGY_KEYS + RELAXATION_KEYS)
            if energy is None:
                raise UserError(
                    f"label_rescaling: {_sample_name(dataset, data, index)} has no energy; it has "
                    f"{', '.join(data.keys())}. The ase "
                    "formats read labels only with a2g_args: {r_energy: true, r_forces: true} in the data set's block"
                )
            forces = _first(data, FORCES_KEYS)
            yield (
                np.asarray(data.atomic_numbers, dtype=np.int64),
                float(energy),
                np.zeros((0, 3)) if forces is None else np.asarray(forces[free_atoms(data)], dtype=np.float64),
            )


def free_atoms(data: Data) -> torch.Tensor:
    """Return a mask of the free atoms of a sample or batch, bool ``[N]``; all are free if it has no ``fixed``."""
    return data.fixed == 0 if "fixed" in data else torch.ones(len(data.pos), dtype=torch.bool, device=data.pos.device)


def _sample_name(dataset: Any, data: Data, index: int) -> str:
    """Return the name of a training sample for messages: the path of its data and its number."""
    source = getattr(getattr(dataset, "dataset", dataset), "config", {}).get("src", "the training set")
    return f"{source}: record {data.id}" if "id" in data else f"{source}: training sample {index}"


def _first(data: Data, keys: tuple[str, ...]) -> Any:
    return next((data[key] for key in keys if key in data and data[key] is not None), None)
