"""Small structures as batches of fairchem 2, and their edges by brute force."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import ase.io
import numpy as np
import torch
from ase import Atoms
from fairchem.core.datasets.atomic_data import AtomicData, atomicdata_list_to_batch
from torch import Tensor

from ocp_dc.data.sample import sample_path, slab_sample_path
from ocp_dc.models.graph import EdgeGraph


def ethanol(index: int = 0) -> Atoms:
    """Return a frame of the bundled ethanol, without a cell."""
    with np.load(sample_path()) as sample:
        return Atoms(sample["nuclear_charges"], sample["coords"][index])


def bulk() -> Atoms:
    """Return a triclinic crystal of three elements, smaller than the cutoff of the models."""
    cell = [[3.9, 0.1, 0.2], [1.2, 4.1, -0.3], [-0.9, 0.9, 4.3]]
    positions = [[0.2, 0.3, 0.1], [2.1, 1.4, 2.0], [1.4, 3.0, 3.3]]
    return Atoms("OHC", positions, cell=cell, pbc=True)


def slab() -> Atoms:
    """Return some atoms of a bundled slab in a small cell, periodic along two directions."""
    frame = next(ase.io.iread(slab_sample_path()))
    some = Atoms(frame.numbers[:7], frame.positions[:7], cell=[[5.5, 0, 0], [1.5, 6.0, 0], [0, 0, 20.0]])
    some.pbc = [True, True, False]
    some.rattle(0.1, seed=1)  # GemNet-OC's quadruplets are not smooth where three atoms are on a line
    return some


def batch_of(structures: Sequence[Atoms], dtype: torch.dtype = torch.float64) -> Any:
    """Return a batch of structures, without labels."""
    samples = [AtomicData.from_ase(atoms, task_name="toy", target_dtype=dtype) for atoms in structures]
    return atomicdata_list_to_batch(samples)


def brute_force_edges(batch: Any, cutoff: float, use_pbc: bool = True) -> EdgeGraph:
    """Return all edges within the cutoff, by all distances to images up to three cells away."""
    parts, start = [], 0
    for count, cell, pbc in zip(batch.natoms.tolist(), batch.cell.detach(), batch.pbc.tolist(), strict=True):
        positions = batch.pos[start : start + count].detach()
        images = torch.tensor(list(product(*(range(-3, 4) if each and use_pbc else (0,) for each in pbc))))  # [M, 3]
        shifted = positions[:, None] + images.to(cell.dtype) @ cell  # [n, M, 3]
        distances = (shifted - positions[:, None, None]).norm(dim=-1)  # [n, n, M], by target and source
        target, source, image = (distances <= cutoff).nonzero(as_tuple=True)
        others = (target != source) | images[image].any(dim=1)  # without each atom and itself
        rows = torch.stack([source + start, target + start, *images[image].T])  # [5, E]
        parts.append(rows[:, others])
        start += count
    source, target, *of_edges = torch.cat(parts, dim=1)
    images = torch.stack(of_edges, dim=1)  # [E, 3]
    offsets = images.to(batch.pos.dtype)[:, None].bmm(batch.cell.detach()[batch.batch[source]])[:, 0]
    return EdgeGraph(source, target, offsets, images, batch.batch, batch.natoms)


def strained_atoms(atoms: Atoms, strain: Tensor) -> Atoms:
    """Return a structure whose cell and positions follow a symmetric strain, [3, 3]."""
    moved = atoms.copy()
    moved.set_cell(atoms.cell.array @ (np.eye(3) + strain.numpy()), scale_atoms=True)
    return moved
