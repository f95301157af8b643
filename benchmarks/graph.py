"""Time finding the edges of a batch: the native models' search and kept edges, against fairchem's.

    OMP_NUM_THREADS=1 python benchmarks/graph.py

All cases of a row take turns in one process; medians of the process's time. Above 1, a ratio means faster than
fairchem. The edges are the same, in the same order, which is checked.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import ocp_dc.fairchem1  # isort: skip  # before fairchem, which cannot be imported without the hooks

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from fairchem.core.models.base import GraphModelMixin
from torch_geometric.data import Data

from ocp_dc.fairchem1.graphs.edges import find_edges
from ocp_dc.fairchem1.graphs.kept_edges import EdgeKeeper
from ocp_dc.fairchem1.graphs.search import HostEdgeSearch
from ocp_dc.fairchem1.train.collate import collate

CUTOFF = 6.0  # Å


class Model(GraphModelMixin):
    """The settings from which fairchem and the native models find edges."""

    use_pbc_single = False
    otf_graph = True
    cutoff = CUTOFF

    def __init__(self, use_pbc: bool, max_neighbors: int) -> None:
        self.use_pbc = use_pbc
        self.max_neighbors = max_neighbors
        self.edge_search = HostEdgeSearch.of(self)


def samples(atoms: Atoms, count: int) -> list[Data]:
    """Return structures with displaced atoms."""
    made = []
    for seed in range(count):
        moved = atoms.copy()
        moved.rattle(0.1, seed=seed)
        pos, cell = (torch.tensor(np.array(values), dtype=torch.float32) for values in (moved.positions, moved.cell))
        numbers, pbc = torch.from_numpy(moved.numbers), torch.from_numpy(moved.pbc)[None]
        made.append(Data(pos=pos, cell=cell[None], pbc=pbc, natoms=len(moved), atomic_numbers=numbers))
    return made


def medians(cases: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return the median time of each case in ms; the cases take turns."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            start = time.process_time()
            case()
            times[name].append((time.process_time() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def report(name: str, atoms: Atoms, count: int, max_neighbors: int) -> None:
    """Print the row of a batch of structures."""
    model: Any = Model(bool(atoms.pbc.any()), max_neighbors)
    plain, kept = samples(atoms, count), samples(atoms, count)
    keeper = EdgeKeeper(model.edge_search)
    keeper.attach(kept)
    batch, kept_batch = collate(plain, otf_graph=True), collate(kept, otf_graph=True)
    stock = model.generate_graph(batch)
    for edges in (find_edges(model, batch), find_edges(model, kept_batch)):
        assert torch.equal(torch.stack([edges.source, edges.target]), stock.edge_index), "other edges"
        assert torch.equal(edges.offsets, stock.offset_distances), "other offsets"
    cases = {
        "fairchem": lambda: model.generate_graph(batch),
        "found": lambda: find_edges(model, batch),
        "collate": lambda: collate(plain, otf_graph=True),
        "collate kept": lambda: collate(kept, otf_graph=True),
        "use kept": lambda: find_edges(model, kept_batch),
    }
    times = medians(cases, repeats=3 if len(batch.pos) >= 1000 else 15)
    reused = times["collate kept"] - times["collate"] + times["use kept"]
    ratios = "".join(f"{value:10.2f} {times['fairchem'] / value:7.1f}x" for value in (times["found"], reused))
    edges_count = stock.edge_index.shape[1]
    print(f"{name:34s} {edges_count:7d} {times['fairchem']:10.2f}{ratios}   {keeper.nbytes / count / 1024:8.1f}")


def main() -> None:
    """Print the table."""
    print(
        f"{'batch, ms':34s} {'edges':>7s} {'fairchem':>10s}{'found':>10s} {'ratio':>8s}{'kept':>10s} {'ratio':>8s}"
        "   KiB a structure"
    )
    report("20 ethanols", molecule("CH3CH2OH"), 20, 50)
    report("1 ethanol", molecule("CH3CH2OH"), 1, 50)
    slab = fcc111("Cu", (4, 5, 5), vacuum=8.0)
    report("8 slabs of 100 atoms", slab, 8, 1000)
    report("8 slabs of 100 atoms, nearest 50", slab, 8, 50)
    report("20 crystals of 4 atoms", bulk("Cu", cubic=True), 20, 1000)
    report("20 crystals of 1 atom", bulk("Cu"), 20, 1000)
    cluster = bulk("Cu", cubic=True).repeat(5)
    cluster.pbc = False
    report("a cluster of 500 atoms, nearest 32", cluster, 1, 32)
    for size in ((3, 3, 3), (4, 4, 4), (5, 5, 5), (5, 5, 10)):
        crystal = bulk("Cu", cubic=True).repeat(size)
        report(f"a crystal of {len(crystal)} atoms", crystal, 1, 1000)


if __name__ == "__main__":
    torch.set_num_threads(1)
    assert ocp_dc.fairchem1
    main()
