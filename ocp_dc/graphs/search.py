"""The search for the edges of a batch: those that fairchem finds, in its order.

Candidates come from a neighbor list with a slightly longer cutoff, whose time grows linearly with the number of atoms.
Which of them are edges is decided by fairchem's own arithmetic, in the precision of the batch. So edges at the cutoff,
and those that remain of too many, are the same too. (Rounding could part the two only for images three or more cells
away, whose translations are not exact in float32; no such case was found.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ocp_dc.graphs.limits import nearest, nearest_neighbors
from ocp_dc.graphs.neighbor_list import nearby_pairs
from ocp_dc.models.graph import EdgeGraph

MARGIN = 1e-3  # added to the cutoff of candidates, as a fraction, for the rounding of positions in float32
SHORTEST = 0.0001  # Å²; fairchem drops periodic pairs nearer than this, among them each atom with itself
MOST_DENSE = 500_000  # pairs, padding included; up to here, computing all distances is faster than a neighbor list


class Edges(NamedTuple):
    """Edges of one or more structures, sorted by target, then source, then image.

    Attributes:
        source: int64 [E].
        target: int64 [E].
        images: int64 [E, 3], the images of the sources in cell vectors; None without periodic boundaries.
    """

    source: Tensor
    target: Tensor
    images: Tensor | None

    def select(self, mask: Tensor | slice) -> Edges:
        """Return some of the edges, in their order."""
        images = None if self.images is None else self.images[mask]
        return Edges(self.source[mask], self.target[mask], images)


@dataclass(frozen=True)
class EdgeSearch:
    """The settings of a model that determine the edges of a structure.

    Attributes:
        cutoff: in Å; a pair at exactly this distance is an edge.
        max_neighbors: how many of the nearest neighbors of each atom are kept.
        periodic: whether images count. With them the edges are those of fairchem's ``radius_graph_pbc``, where
            ``max_neighbors`` 0 means all; without them those of ``radius_graph``.
        strict: whether ``max_neighbors`` also holds among neighbors whose squared distances differ by less than
            0.01 Å², all of which are kept otherwise; only if periodic.
    """

    cutoff: float
    max_neighbors: int
    periodic: bool
    strict: bool = True

    def find(self, data: Any) -> Edges:
        """Return the edges of a batch; see :meth:`within_cutoff` for what it has."""
        edges, squared = self.within_cutoff(data)
        return edges.select(self.limit(edges, squared, len(data.pos)))

    def within_cutoff(self, data: Any) -> tuple[Edges, Tensor]:
        """Return the edges of a batch, before any is dropped because an atom has too many, and their squared lengths.

        Args:
            data: with pos [N, 3] in Å, which need not be inside the cell, and natoms int64 [B]; if periodic also cell
                [B, 3, 3] in Å and perhaps pbc bool [B, 3], without which all directions are periodic. Unlike in
                fairchem, structures may be periodic along different directions.
        """
        positions = data.pos.detach()
        if not self.periodic:
            return self.open_edges(positions, data.natoms)
        pbc = getattr(data, "pbc", None)
        pbc = torch.ones(len(data.natoms), 3) if pbc is None else pbc.reshape(-1, 3)
        source, target, images = nearby_pairs(positions, data.natoms, data.cell, pbc.bool(), self.cutoff * (1 + MARGIN))
        assert images is not None
        structure = torch.repeat_interleave(data.natoms).index_select(0, target)  # [P]
        shifted = positions.index_select(0, source) + image_offsets(images, data.cell, structure)
        squared = squared_lengths(positions.index_select(0, target) - shifted)  # [P]
        near = (squared <= self.cutoff * self.cutoff) & (squared > SHORTEST)
        return Edges(source, target, images).select(near), squared[near]

    def limit(self, edges: Edges, squared: Tensor, atoms: int) -> Tensor | slice:
        """Return an index into edges, with squared lengths [E], that keeps ``max_neighbors`` of each of N atoms."""
        if edges.images is None:
            return nearest(edges.target, squared, atoms, self.max_neighbors)
        degrees = torch.bincount(edges.target, minlength=1)
        if self.max_neighbors <= 0 or int(degrees.max()) <= self.max_neighbors:
            return slice(None)
        return nearest_neighbors(edges.target, squared, self.max_neighbors, self.strict)

    def open_edges(self, positions: Tensor, natoms: Tensor) -> tuple[Edges, Tensor]:
        """Return the edges without periodic boundaries, within the cutoff, and their squared lengths."""
        if len(natoms) * int(natoms.max()) ** 2 <= MOST_DENSE:
            source, target = _dense_pairs(positions, natoms, self.cutoff)
        else:
            source, target, _ = nearby_pairs(positions, natoms, None, None, self.cutoff * (1 + MARGIN))
        squared = squared_lengths(positions.index_select(0, source) - positions.index_select(0, target))  # [P]
        near = squared <= self.cutoff * self.cutoff
        return Edges(source, target, None).select(near), squared[near]


def image_offsets(images: Tensor, cell: Tensor, structure: Tensor) -> Tensor:
    """Return translations in Å, [E, 3], in the precision of the cells.

    Args:
        images: int64 [E, 3], in cell vectors.
        cell: [B, 3, 3], cell vectors as rows, in Å.
        structure: int64 [E], the structure of each edge.
    """
    vectors = cell.detach().index_select(0, structure)  # [E, 3, 3]
    return images.to(cell.dtype)[:, None].bmm(vectors)[:, 0]


def _dense_pairs(positions: Tensor, natoms: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Return source and target, [P] each, of all pairs within the cutoff, from all distances of each structure."""
    largest = int(natoms.max())  # n
    slots = torch.arange(largest, device=natoms.device)  # [n]
    padded = positions.new_full((len(natoms), largest, 3), torch.nan)  # a distance to NaN is not below the cutoff
    padded[slots < natoms[:, None]] = positions
    squared = squared_lengths(padded[:, None] - padded[:, :, None])  # [B, n, n], by target and source
    near = squared <= cutoff * cutoff
    near.diagonal(dim1=1, dim2=2).fill_(False)
    structure, target, source = near.nonzero(as_tuple=True)
    start = (natoms.cumsum(0) - natoms).index_select(0, structure)  # [P]
    return source + start, target + start


def squared_lengths(vectors: Tensor) -> Tensor:
    """Return the squared lengths of vectors, [..., 3] -> [...]."""
    return vectors.square().sum(-1)


def edge_graph(edges: Edges, data: Any) -> EdgeGraph:
    """Return the edges of a batch as a graph, with offsets in the precision of the positions.

    They are computed in the precision of the cell: for one in float64 they are more accurate than in fairchem 1.10,
    which computes them in float32.

    Args:
        edges: the edges.
        data: the batch, with pos, batch and natoms; for edges with images also cell.
    """
    if edges.images is None:
        offsets = data.pos.new_zeros(len(edges.source), 3)
        images = torch.zeros_like(offsets, dtype=torch.int64)
    else:
        images = edges.images
        offsets = image_offsets(images, data.cell, data.batch.index_select(0, edges.source)).to(data.pos.dtype)
    return EdgeGraph(edges.source, edges.target, offsets, images, data.batch, data.natoms)
