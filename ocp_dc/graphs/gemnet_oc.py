"""The edges of GemNet-OC's graphs, selected from those of the largest graph as in fairchem 1.10."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from ocp_dc.graphs.limits import nearest_neighbors
from ocp_dc.models.gemnet_oc_graph import GemNetOCEdges
from ocp_dc.models.graph import EdgeGraph

Limits = tuple[float, int]  # a cutoff, in Å, and the most neighbors of an atom


@dataclasses.dataclass(frozen=True)
class GraphLimits:
    """The limits of each graph.

    Attributes:
        largest: those of all edges.
        main: those of the edges with features.
        mixed: those of edges between atoms and edges.
        inner: those of edges in the middle of quadruplets.
        strict: see :class:`~ocp_dc.graphs.search.EdgeSearch`.
    """

    largest: Limits
    main: Limits
    mixed: Limits
    inner: Limits
    strict: bool = True

    def select(
        self, edges: EdgeGraph, positions: Tensor, found: Limits, is_inner: Tensor | None = None
    ) -> GemNetOCEdges:
        """Return the edges of a batch, and those of each graph.

        Args:
            edges: the edges, by target in ascending order.
            positions: [N, 3], in Å.
            found: the limits with which the edges were found.
            is_inner: bool [N], atoms of which each inner edge has at least one; None for all atoms.
        """
        lengths = edges.vectors(positions.detach()).norm(dim=-1)  # [E]
        rows = self._rows(edges.target, lengths, self.largest, found)
        edges, lengths = edges.select(rows), lengths[rows]
        main, mixed, inner = (
            self._rows(edges.target, lengths, limits, self.largest) for limits in (self.main, self.mixed, self.inner)
        )
        if is_inner is not None:
            inner = inner[is_inner[edges.source[inner]] | is_inner[edges.target[inner]]]
        return GemNetOCEdges(**vars(edges), main=main, mixed=mixed, inner=inner)

    def _rows(self, targets: Tensor, lengths: Tensor, limits: Limits, found: Limits) -> Tensor:
        """Return the numbers of the edges within limits, int64, of edges that were found with other limits."""
        (cutoff, most), (found_cutoff, found_most) = limits, found
        rows = torch.arange(len(targets), device=targets.device)
        if not math.isclose(cutoff, found_cutoff, rel_tol=1e-5, abs_tol=1e-8):
            rows = rows[lengths <= cutoff]
        if most == found_most or not len(rows):
            return rows
        return rows[nearest_neighbors(targets[rows], lengths[rows], most, self.strict)]
