"""The edges of a batch for a native model: kept with its samples, stored in the data, or found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ocp_dc.fairchem1.graphs.kept_edges import kept_edges
from ocp_dc.fairchem1.graphs.search import image_offsets
from ocp_dc.models.graph import EdgeGraph

if TYPE_CHECKING:
    from ocp_dc.fairchem1.wrappers.native_model import NativeModel


def find_edges(model: NativeModel, data: Any) -> EdgeGraph:
    """Return the edges of a batch, the same as fairchem's and in the same order.

    Offsets are computed in the precision of the cell and have that of the positions: for a cell in float64 they are
    more accurate than fairchem's, which are in float32.

    Args:
        model: the model, whose ``edge_search`` is None if its edges are stored in the data.
        data: the batch.
    """
    search = model.edge_search
    if search is None:
        return stored_edges(model.generate_graph(data), data)
    edges = kept_edges(data, search)
    if edges is None:
        edges = search.find(data)
    if edges.images is None:
        offsets = data.pos.new_zeros(len(edges.source), 3)
        images = torch.zeros_like(offsets, dtype=torch.int64)
    else:
        images = edges.images
        offsets = image_offsets(images, data.cell, data.batch.index_select(0, edges.source)).to(data.pos.dtype)
    return EdgeGraph(edges.source, edges.target, offsets, images, data.batch, data.natoms)


def stored_edges(stored: Any, data: Any) -> EdgeGraph:
    """Return the edges that fairchem's ``generate_graph`` returned for a batch."""
    source, target = stored.edge_index
    return EdgeGraph(source, target, stored.offset_distances, stored.cell_offsets, data.batch, data.natoms)
