"""The edges of a batch for a native model: kept with its samples, stored in the data, or found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ocp_dc.fairchem1.graphs.kept_edges import kept_edges
from ocp_dc.graphs.search import edge_graph
from ocp_dc.models.graph import EdgeGraph

if TYPE_CHECKING:
    from ocp_dc.fairchem1.wrappers.native_model import NativeModel


def find_edges(model: NativeModel, data: Any) -> EdgeGraph:
    """Return the edges of a batch, the same as fairchem's and in the same order.

    Args:
        model: the model, whose ``edge_search`` is None if its edges are stored in the data.
        data: the batch.
    """
    search = model.edge_search
    if search is None:
        return stored_edges(model.generate_graph(data), data)
    edges = kept_edges(data, search)
    return edge_graph(search.find(data) if edges is None else edges, data)


def stored_edges(stored: Any, data: Any) -> EdgeGraph:
    """Return the edges that fairchem's ``generate_graph`` returned for a batch."""
    source, target = stored.edge_index
    return EdgeGraph(source, target, stored.offset_distances, stored.cell_offsets, data.batch, data.natoms)
