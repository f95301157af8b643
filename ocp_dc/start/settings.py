"""Settings of a training run that follow from the data and the machine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from ocp_dc.data.frames import Frame
from ocp_dc.data.safe_npz import load_npz
from ocp_dc.data.structures import open_structures
from ocp_dc.training.first_run import Neighbors, Settings

CUTOFFS = (6.0, 5.5, 5.0, 4.5, 4.0)  # Å; the first one that leaves few enough neighbors
SPARE = 1.2  # a margin for structures denser than the sample
LEAST = 50  # the usual max_neighbors
SAMPLE = 50  # structures in which neighbors are counted
ATOMS = {"CPU": 200, "GPU": 500}  # in a batch
LARGEST_BATCH = 64
STEPS = {"CPU": 3000, "GPU": 30000}  # of a run
EPOCHS = (10, 1000)  # the least and the most
STEPS_PER_EPOCH = 10  # at least, where there are enough structures
IN_MEMORY = 2_000_000  # atoms; one takes some 100 bytes without edges


def choose_settings(
    description: dict[str, Any], data: Path, periodic: bool, neighbors: Neighbors, gpu: bool
) -> Settings:
    """Return the settings for a data set.

    Args:
        description: the content of its dataset.json.
        data: its folder, with train and val in it.
        periodic: a structure is periodic in some direction.
        neighbors: how many neighbors the model can take.
        gpu: train on a GPU.
    """
    device = "GPU" if gpu else "CPU"
    cutoff, most = _cutoff(data / "train", neighbors.most)
    natoms = load_npz(data / "train" / "metadata.npz", ["natoms"])["natoms"]
    structures, mean = len(natoms), float(natoms.mean())
    batch_size = max(1, min(round(ATOMS[device] / mean), LARGEST_BATCH, structures // STEPS_PER_EPOCH))
    steps = math.ceil(structures / batch_size)
    epochs = min(max(math.ceil(STEPS[device] / steps), EPOCHS[0]), EPOCHS[1])
    kept = max(LEAST, 10 * math.ceil(SPARE * most / 10)) if neighbors.adjustable else None
    in_memory = int(natoms.sum()) <= IN_MEMORY
    boundaries = ", ".join(f"{count} with pbc {flags}" for flags, count in description["boundaries"].items())
    reasons = {
        "periodic": f"use_pbc: {str(periodic).lower()}, for structures: {boundaries}",
        "cutoff": f"cutoff: {cutoff:g} Å; an atom has up to {most} neighbors within it",
        **({} if kept is None else {"max_neighbors": f"max_neighbors: {kept}, so that no neighbor is left out"}),
        "batch_size": f"batch_size: {batch_size}, about {round(batch_size * mean)} atoms, for this {device}, and at "
        f"least {STEPS_PER_EPOCH} steps an epoch where there are enough structures",
        "epochs": f"epochs: {epochs}, of {steps} steps each: {epochs * steps} steps; for a {device} some "
        f"{STEPS[device]} are planned, in {EPOCHS[0]} to {EPOCHS[1]} epochs",
    }
    return Settings(periodic, cutoff, kept, batch_size, epochs, in_memory, reasons)


def _cutoff(train: Path, limit: int) -> tuple[float, int]:
    """Return a cutoff within which no atom has more neighbors than the limit, if there is one, and the most it has."""
    most = np.zeros(len(CUTOFFS), dtype=np.int64)
    for frame in _sample(train):
        atoms = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
        first, distances = neighbor_list("id", atoms, CUTOFFS[0])  # [E], [E]
        counts = [np.bincount(first[distances <= cutoff], minlength=1).max() for cutoff in CUTOFFS]
        most = np.maximum(most, counts)
    chosen = next((number for number, count in enumerate(most) if count <= limit), len(CUTOFFS) - 1)
    return CUTOFFS[chosen], int(most[chosen])


def _sample(train: Path) -> Iterator[Frame]:
    """Yield evenly spaced structures of a data set."""
    with closing(open_structures(train)) as source:
        for index in np.unique(np.linspace(0, len(source) - 1, SAMPLE).astype(int)).tolist():
            yield source[index]
