"""A small potential that compiles in seconds, and batches for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.potential import Potential
from ocp_dc.models.scatter import scatter_sum
from ocp_dc.nn import IReLU

WIDTH = 8
SIZES = (8, 9, 7, 10)  # of a batch to compile with; torch treats products of fewer than 32 rows in another way


@dataclasses.dataclass(frozen=True)
class ToyGraph:
    """Edges, and a further tensor [E] beside them."""

    edges: EdgeGraph
    weights: Tensor


class Toy(Potential[ToyGraph]):
    """Σ over atoms of a network of Σ over neighbors of a network of Gaussians of the distance."""

    regress_forces = True

    def __init__(self, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, WIDTH)
        self.filter = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Softplus(), nn.Linear(WIDTH, WIDTH))
        self.act = IReLU() if activation is None else activation
        self.out = nn.Linear(WIDTH, 1)
        self.register_buffer("centers", torch.linspace(0, 4, WIDTH))
        self.unused = nn.Parameter(torch.zeros(2))
        self.factor = nn.Parameter(torch.tensor(0.0), requires_grad=False)  # 0 means 1, as GemNet's scale factors

    def build_graph(self, edges: EdgeGraph) -> ToyGraph:
        return ToyGraph(edges, torch.linspace(0.5, 1.5, len(edges.source), dtype=edges.offsets.dtype))

    def energy(self, numbers: Tensor, positions: Tensor, graph: ToyGraph, *, first_order: bool = False) -> Tensor:
        edges = graph.edges
        distances = edges.vectors(positions).norm(dim=-1, keepdim=True)  # [E, 1]
        if first_order:
            fixed = distances.detach()
            basis = torch.exp(-(fixed - self.centers).square())
            basis = basis + (distances - fixed) * (-2 * (fixed - self.centers) * basis)  # [E, WIDTH]
        else:
            basis = torch.exp(-(distances - self.centers).square())
        x = self.embedding(numbers)  # [N, WIDTH]
        messages = self.filter(basis) * x.index_select(0, edges.source) * graph.weights[:, None]
        x = self.act(x + scatter_sum(messages, edges.target, x.shape[0]))
        x = x * torch.where(self.factor == 0, 1, self.factor)
        return scatter_sum(self.out(x), edges.batch, edges.count)


def toy_batch(sizes: Sequence[int], seed: int = 0) -> tuple[Tensor, Tensor, ToyGraph]:
    """Return numbers, positions and the graph of molecules of these sizes, with edges between all of their atoms."""
    generator = torch.Generator().manual_seed(seed)
    natoms = torch.tensor(sizes)
    batch = torch.repeat_interleave(torch.arange(len(sizes)), natoms)
    positions = 1.5 * torch.randn(len(batch), 3, generator=generator)
    numbers = torch.randint(1, 10, (len(batch),), generator=generator)
    pairs = torch.nonzero((batch[:, None] == batch) & ~torch.eye(len(batch), dtype=torch.bool)).T.contiguous()
    offsets, images = torch.zeros(pairs.shape[1], 3), torch.zeros(pairs.shape[1], 3, dtype=torch.int64)
    target, source = pairs  # the target is a view with an offset
    return numbers, positions, Toy.build_graph(None, EdgeGraph(source, target, offsets, images, batch, natoms))
