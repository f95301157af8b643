"""A forward pass of a potential on one small molecule, to find the widths of its features."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import nn

from ocp_dc.models.gemnet_oc_graph import GemNetOCEdges
from ocp_dc.models.graph import EdgeGraph

# a twisted H-O-O-H, in Å: the fewest atoms that have quadruplets for GemNet-OC
NUMBERS = (1, 8, 8, 1)
POSITIONS = ((0.31, 0.93, 0.08), (0.12, 0.03, 0.33), (1.38, -0.33, 0.93), (1.97, -0.21, 0.17))


def forward_once(potential: nn.Module) -> None:
    """Run a potential on a molecule of four atoms, with edges between all of them."""
    model: Any = potential
    count = len(NUMBERS)
    pairs = torch.tensor([(j, i) for i in range(count) for j in range(count) if i != j]).T  # [2, E]
    edges = EdgeGraph(
        source=pairs[0],
        target=pairs[1],
        offsets=torch.zeros(pairs.shape[1], 3),
        images=torch.zeros(pairs.shape[1], 3, dtype=torch.int64),
        batch=torch.zeros(count, dtype=torch.int64),
        natoms=torch.tensor([count]),
    )
    if hasattr(model, "quad_interaction"):  # GemNet-OC, with a graph for each interaction
        every = torch.arange(pairs.shape[1])
        fields = {field.name: getattr(edges, field.name) for field in dataclasses.fields(edges)}
        edges = GemNetOCEdges(**fields, main=every, mixed=every, inner=every)
    with torch.no_grad():
        model.energy(torch.tensor(NUMBERS), torch.tensor(POSITIONS), model.build_graph(edges))
