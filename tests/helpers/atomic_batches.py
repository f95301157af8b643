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
    """Return all edges within the cutoff, by all pairs and images."""
    source, target, images = [], [], []
    starts = (batch.natoms.cumsum(0) - batch.natoms).tolist()
    for start, count, cell, pbc in zip(starts, batch.natoms.tolist(), batch.cell, batch.pbc, strict=True):
        positions = batch.pos[start : start + count].detach().double()
        ranges = [range(-6, 7) if periodic and use_pbc else (0,) for periodic in pbc.tolist()]
        for i, j, image in product(range(count), range(count), product(*ranges)):
            shift = torch.tensor(image, dtype=torch.float64) @ cell.detach().double()
            distance = float((positions[j] + shift - positions[i]).norm())
            if distance <= cutoff and (i != j or any(image)):
                source.append(start + j)
                target.append(start + i)
                images.append(image)
    found = torch.tensor(images, dtype=torch.int64).reshape(-1, 3)  # [E, 3]
    sources = torch.tensor(source, dtype=torch.int64)
    cells = batch.cell.detach()[batch.batch[sources]]  # [E, 3, 3]
    offsets = found.to(batch.pos.dtype)[:, None].bmm(cells)[:, 0]
    return EdgeGraph(sources, torch.tensor(target, dtype=torch.int64), offsets, found, batch.batch, batch.natoms)


def strained_atoms(atoms: Atoms, strain: Tensor) -> Atoms:
    """Return a structure whose cell and positions follow a symmetric strain, [3, 3]."""
    moved = atoms.copy()
    moved.set_cell(atoms.cell.array @ (np.eye(3) + strain.numpy()), scale_atoms=True)
    return moved
