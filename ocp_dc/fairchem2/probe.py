"""A forward pass of a hydra on one small structure that every model can compute."""

from __future__ import annotations

from typing import Any

from ase import Atoms
from fairchem.core.datasets.atomic_data import AtomicData, atomicdata_list_to_batch

from ocp_dc.data.probe import PROBE_EDGES, probe_frame


def forward_once(model: Any) -> None:
    """Run a hydra on a molecule of four atoms in a large cell; the caller sets its mode and restores the random states.

    Args:
        model: a ``HydraModel``.
    """
    frame = probe_frame()
    parameter = next(model.parameters())
    data = AtomicData.from_ase(
        Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc),
        r_edges=not getattr(model.backbone, "otf_graph", True),
        radius=PROBE_EDGES,
        max_neigh=frame.natoms,
        task_name=next(iter(getattr(model.backbone, "dataset_mapping", None) or ("data",))),
        target_dtype=parameter.dtype,
    )
    model(atomicdata_list_to_batch([data]).to(parameter.device))
    model.device = None  # the first batch of the training sets it
    for part in model.modules():  # results of the pass, with which the model could not be copied
        if (mixture := getattr(part, "global_mole_tensors", None)) is not None:
            mixture.expert_mixing_coefficients = None
