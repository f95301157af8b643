"""Small batches on which a native model is compared with its stock model, by name."""

from __future__ import annotations

import functools
from typing import Any

import ase.io
import numpy as np
import torch
from ase import Atoms
from ase.constraints import FixAtoms

from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.data.sample import sample_path, slab_sample_path
from ocp_dc.fairchem1.train.collate import collate

PERIODIC = ("slabs", "triclinic cell", "small cell")
MOLECULES = ("one size", "mixed sizes", "fixed atoms", "isolated atom in a batch", "isolated atom")
NAMES = (*MOLECULES, *PERIODIC)


def batch_of(found: list[Atoms], dtype: torch.dtype = torch.float64) -> Any:
    """Return a batch without labels; the model finds its edges."""
    samples = [to_data(atoms_frame(atoms, 0.0, np.zeros((len(atoms), 3))), sid=n) for n, atoms in enumerate(found)]
    batch = collate(samples, otf_graph=True)
    batch.pos, batch.cell = batch.pos.to(dtype), batch.cell.to(dtype)
    return batch


def structures(name: str) -> list[Atoms]:
    """Return the structures of a batch."""
    water = Atoms("OHH", [[0.1, 0.2, 0.3], [1.0, 0.4, 0.1], [-0.2, 1.1, 0.5]])
    peroxide = Atoms("HOOH", [[0.31, 0.93, 0.08], [0.12, 0.03, 0.33], [1.38, -0.33, 0.93], [1.97, -0.21, 0.17]])
    if name == "one size":
        return ethanols(2)
    if name == "mixed sizes":
        return [*ethanols(1), water, peroxide]
    if name == "fixed atoms":
        peroxide.set_constraint(FixAtoms([0, 1]))
        return [peroxide, water]
    if name == "isolated atom in a batch":
        return [peroxide, Atoms("C", [[0.0, 0.0, 0.0]]), water]
    if name == "isolated atom":
        return [Atoms("O", [[0.1, 0.2, 0.3]])]
    if name == "slabs":
        frames = list(ase.io.iread(slab_sample_path(), ":101"))
        return [frames[0], frames[100]]
    if name == "triclinic cell":
        cell = [[4.9, 0.1, 0.2], [1.7, 5.2, -0.3], [-1.1, 1.9, 5.6]]
        positions = [[0.2, 0.3, 0.1], [2.1, 1.4, 2.2], [3.5, 3.6, 1.1], [0.4, 4.1, 3.9], [1.4, 3.1, 4.6]]
        return [Atoms("OHCOH", positions, cell=cell, pbc=True)]
    if name == "small cell":  # smaller than the cutoff of every model: an atom sees its own images
        one = Atoms("C", [[0.3, 0.1, 0.2]], cell=[[2.9, 0.2, 0.1], [0.3, 3.1, -0.2], [0.4, 0.5, 3.3]], pbc=True)
        two = Atoms("OH", [[0.3, 0.1, 0.2], [1.5, 1.2, 1.4]], cell=np.diag([2.8, 3.0, 3.4]), pbc=True)
        return [one, two]
    raise KeyError(name)


@functools.cache
def _sample() -> tuple[Any, Any, Any]:
    with np.load(sample_path()) as sample:
        return sample["nuclear_charges"], sample["coords"], sample["forces"]


def ethanols(count: int, first: int = 0) -> list[Atoms]:
    """Return consecutive frames of the bundled molecular dynamics of ethanol."""
    numbers, positions, _ = _sample()
    return [Atoms(numbers, positions[first + index]) for index in range(count)]


def ethanol_forces(count: int, first: int = 0) -> list[torch.Tensor]:
    """Return the forces of the same frames, [N, 3] each, in eV/Å."""
    return [torch.tensor(forces) for forces in _sample()[2][first : first + count]]
