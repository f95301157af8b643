"""A homogeneous strain of a batch, and the stress: the derivative of the energy by the strain, per volume."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.graph import EdgeGraph, edges_of, with_edges


def strained(positions: Tensor, graph: Any, strain: Tensor) -> tuple[Tensor, Any]:
    """Return positions and graph of structures whose points x, periodic images too, move to x + x ε.

    Args:
        positions: [N, 3], in Å.
        graph: the graph of the batch.
        strain: ε of each structure, [B, 3, 3].
    """

    def moved(edges: EdgeGraph) -> EdgeGraph:
        of_edges = strain[edges.batch.index_select(0, edges.source)]  # [E, 3, 3]
        return dataclasses.replace(edges, offsets=moved_points(edges.offsets, of_edges))

    return moved_points(positions, strain[edges_of(graph).batch]), with_edges(graph, moved)


def stresses(virials: Tensor, cells: Tensor, pbc: Tensor) -> Tensor:
    """Return the stress of each structure, [B, 3, 3], positive under tension; zero where no direction is periodic.

    Args:
        virials: dE/dε, [B, 3, 3], in eV.
        cells: [B, 3, 3], cell vectors as rows, in Å.
        pbc: bool [B, 3], the periodic directions.
    """
    volumes = torch.where(pbc.any(dim=1), torch.linalg.det(cells.detach()).abs(), torch.inf)  # [B]
    return virials / volumes[:, None, None]


def moved_points(vectors: Tensor, strain: Tensor) -> Tensor:
    """Return points or vectors [M, 3] after a strain of each, [M, 3, 3]."""
    return vectors + vectors[:, None].bmm(strain)[:, 0]
