"""DimeNet++ without a host: its triplets by brute force, and forces as differences of energies."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.models.dimenetplusplus import DimeNetPlusPlus
from ocp_dc.models.dimenetplusplus_graph import triplet_graph
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE

SMALL: dict[str, Any] = {
    "hidden_channels": 8,
    "num_blocks": 1,
    "int_emb_size": 6,
    "basis_emb_size": 3,
    "out_emb_channels": 8,
    "num_spherical": 4,
    "num_radial": 3,
    "cutoff": 4.0,
}


def random_edges(count: int = 6, edges: int = 25) -> EdgeGraph:
    """Return edges between random atoms and images, not symmetric, also from an atom to its own image."""
    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(count, (2, edges), generator=generator)
    images = torch.randint(-1, 2, (edges, 3), generator=generator)
    images[:, 1:] = 0
    distinct = torch.unique(torch.cat([ends, images.t()]), dim=1)
    distinct = distinct[:, (distinct[0] != distinct[1]) | (distinct[2:] != 0).any(0)]
    distinct = distinct[:, torch.randperm(distinct.shape[1], generator=generator)]
    batch = torch.zeros(count, dtype=torch.int64)
    source, target, images = distinct[0], distinct[1], distinct[2:].t()
    return EdgeGraph(source, target, 3.0 * images.double(), images, batch, torch.tensor([count]))


def test_triplets_by_brute_force() -> None:
    edges = random_edges()
    expected = set()
    for ji in range(len(edges.source)):
        for kj in range(len(edges.source)):
            back = edges.source[kj] == edges.target[ji] and not (edges.images[kj] + edges.images[ji]).any()
            if edges.target[kj] == edges.source[ji] and not back:
                expected.add((kj, ji))
    graph = triplet_graph(edges)
    atoms, into, out_of = graph.triplets.nonzero().unbind(1)
    found = list(zip(graph.incoming[atoms, into].tolist(), graph.outgoing[atoms, out_of].tolist(), strict=True))
    assert len(found) == len(expected) > 30
    assert set(found) == expected
    assert torch.equal(graph.outgoing.flatten()[graph.places], torch.arange(len(edges.source)))


@pytest.mark.parametrize("angles", ["exact", "stock"])
def test_forces_are_differences_of_energies_with_exact_angles(angles: str) -> None:
    torch.manual_seed(0)
    model = DimeNetPlusPlus(**SMALL, angle_gradients=angles).double()
    for block in model.output_blocks:
        torch.nn.init.normal_(block.lin.weight)
    edges = random_edges()
    positions = torch.randn(6, 3, dtype=torch.float64)
    numbers, graph = torch.tensor([1, 6, 8, 1, 7, 1]), model.build_graph(edges)
    _, forces = model.energy_and_forces(numbers, positions, graph)
    step = torch.zeros_like(positions)
    step[2, 1] = 1e-5
    ends = [model.energy(numbers, positions + sign * step, graph).sum().item() for sign in (1, -1)]
    relative, absolute = FINITE_DIFFERENCE
    difference = pytest.approx(-(ends[0] - ends[1]) / 2e-5, rel=relative, abs=absolute)
    assert (forces[2, 1].item() == difference) is (angles == "exact")


def test_mistakes() -> None:
    with pytest.raises(UserError, match="angle_gradients"):
        DimeNetPlusPlus(**SMALL, angle_gradients="exakt")
    with pytest.raises(UserError, match="num_radial"):
        DimeNetPlusPlus(**{**SMALL, "num_radial": 0})
