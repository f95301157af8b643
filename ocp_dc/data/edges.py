"""Edges stored with a structure, as in some LMDBs of OC20."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from ase.neighborlist import primitive_neighbor_list

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import is_finite, whole_number

if TYPE_CHECKING:
    from torch_geometric.data import Data

SHORTEST = 0.5  # Å; the bond of H2 has 0.74


def check_edges(cutoff: float, max_neighbors: int) -> None:
    """Check that a cutoff and a number of neighbors give edges.

    Raises:
        UserError: the cutoff is shorter than any bond or not finite, or ``max_neighbors`` is not at least 1.
    """
    if not is_finite(cutoff) or cutoff <= 0:
        raise UserError(f"edges: got a cutoff of {cutoff!r}, expected a length above zero in Å, such as 6")
    if cutoff < SHORTEST:
        raise UserError(f"edges: got a cutoff of {cutoff!r}, shorter than any bond; expected a length in Å, such as 6")
    whole_number("max_neighbors", max_neighbors)


def add_edges(data: Data, cutoff: float, max_neighbors: int) -> Data:
    """Add its edges to a structure, under the names and in the order that fairchem's ``otf_graph: false`` expects.

    Args:
        data: pos [N, 3] in Å, cell [1, 3, 3] in Å, pbc [1, 3].
        cutoff: in Å.
        max_neighbors: how many of the nearest neighbors of each atom are kept.

    Returns:
        the same object, with edge_index [2, E] int64, the neighbor in row 0 and the atom in row 1;
        cell_offsets [E, 3] int64, such that ``pos[edge_index[0]] + cell_offsets @ cell - pos[edge_index[1]]`` is
        the edge's vector; and distances [E] float32 in Å.
    """
    atom, neighbor, distance, offset = primitive_neighbor_list(
        "ijdS", data.pbc[0].numpy(), data.cell[0].double().numpy(), data.pos.double().numpy(), cutoff
    )
    order = np.lexsort((distance, atom))  # by atom, nearest neighbors first
    first = np.searchsorted(atom[order], atom[order])  # [E]: the first edge of the same atom
    order = order[np.arange(len(order)) - first < max_neighbors]
    data.edge_index = torch.from_numpy(np.stack([neighbor[order], atom[order]]).astype(np.int64))
    data.cell_offsets = torch.from_numpy(offset[order].astype(np.int64))
    data.distances = torch.from_numpy(distance[order].astype(np.float32))
    return data
