"""Time the fallbacks for compiled packages on molecules of the bundled sample, on one CPU thread.

    python benchmarks/scatter.py

The reference of a sum is a plain index_add_ into zeros; that of radius_graph is fairchem's radius_graph_pbc without
periodicity. A ratio below 1 means that the fallback is faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import ocp_dc
from ocp_dc.fallbacks.install import install
from ocp_dc.fallbacks.radius import radius_graph
from ocp_dc.fallbacks.scatter import scatter

SAMPLE = Path(ocp_dc.__file__).parent / "data" / "sample" / "ethanol_500K_gfn2.npz"
MOLECULES, CUTOFF, CHANNELS = 32, 6.0, 128  # Å
REPEATS, ROUNDS = 20, 15


def milliseconds(*calls: Callable[[], object]) -> list[float]:
    """Return the best mean time of each call; the calls take turns, so a busy machine slows all equally."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for k, call in enumerate(calls):
            start = time.perf_counter()
            for _ in range(REPEATS):
                call()
            best[k] = min(best[k], (time.perf_counter() - start) / REPEATS * 1000)
    return best


def report(name: str, ours: float, reference: float) -> None:
    print(f"{name:32s} {ours:8.3f} ms   reference {reference:8.3f} ms   ratio {ours / reference:5.2f}")


def with_gradient(function: Callable[[torch.Tensor], torch.Tensor], src: torch.Tensor) -> Callable[[], object]:
    src = src.clone().requires_grad_()
    return lambda: torch.autograd.grad(function(src).sum(), src)


def main() -> None:
    torch.set_num_threads(1)
    install()
    from fairchem.core.common.utils import radius_graph_pbc  # after install: it imports torch_scatter
    from torch_geometric.data import Batch, Data

    coordinates = torch.from_numpy(np.load(SAMPLE)["coords"][:MOLECULES])
    atoms = coordinates.shape[1]
    graphs = [Data(pos=p, natoms=atoms, cell=100 * torch.eye(3)[None]) for p in coordinates]
    batch = Batch.from_data_list(graphs)
    pos, number = batch.pos, batch.batch
    edges = radius_graph(pos, CUTOFF, number)
    print(f"{MOLECULES} molecules of {atoms} atoms, {edges.shape[1]} edges within {CUTOFF} Å, {CHANNELS} channels")

    def pbc() -> torch.Tensor:
        return radius_graph_pbc(batch, CUTOFF, 32, pbc=[False, False, False])[0]

    assert sorted(edges.T.tolist()) == sorted(pbc().T.tolist()), "the two graphs differ"
    report("radius_graph", *milliseconds(lambda: radius_graph(pos, CUTOFF, number), pbc))

    def pbc_nearest() -> torch.Tensor:
        return radius_graph_pbc(batch, CUTOFF, 4, pbc=[False, False, False])[0]

    nearest = milliseconds(lambda: radius_graph(pos, CUTOFF, number, max_num_neighbors=4), pbc_nearest)
    report("radius_graph, nearest 4", *nearest)

    # Sums and means of messages, as in every interaction block; min and max are only used on one number per row.
    for reduce, shape in (("sum", (CHANNELS,)), ("mean", (CHANNELS,)), ("max", ())):
        compare(reduce, torch.randn(edges.shape[1], *shape), edges[1], len(pos))


def compare(reduce: str, src: torch.Tensor, target: torch.Tensor, atoms: int) -> None:
    """Time ``scatter`` of src ``[E, ...]`` against the plain sum, without and with the gradient."""

    def ours(x: torch.Tensor) -> torch.Tensor:
        return scatter(x, target, 0, dim_size=atoms, reduce=reduce)

    def reference(x: torch.Tensor) -> torch.Tensor:
        return torch.zeros(atoms, *src.shape[1:]).index_add_(0, target, x)

    name = f"scatter {reduce} {list(src.shape)}"
    report(name, *milliseconds(lambda: ours(src), lambda: reference(src)))
    report(f"{name}, gradient", *milliseconds(with_gradient(ours, src), with_gradient(reference, src)))


if __name__ == "__main__":
    main()
