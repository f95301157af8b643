"""Replacement for torch_geometric.nn.radius_graph, which needs a compiled package (pyg-lib, or torch_cluster)."""

from __future__ import annotations

import torch
from torch import Tensor

from ocp_dc.core.errors import UserError
from ocp_dc.graphs.limits import nearest

FLOWS = ("source_to_target", "target_to_source")


@torch.no_grad()
def radius_graph(
    x: Tensor,
    r: float,
    batch: Tensor | None = None,
    loop: bool = False,
    max_num_neighbors: int | None = 32,
    flow: str = "source_to_target",
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    """Return the edges between points of the same graph that are at most ``r`` apart.

    All pairs within each graph are computed, so that time and memory grow with the sum of the squared sizes of the
    graphs. It suits molecules and slabs, but not a system of 10,000 atoms. The result has no gradient.

    Args:
        x: positions, shape [N, D] or [N], in the unit of ``r``.
        r: the cutoff; a pair at exactly this distance is an edge.
        batch: the graph of each point, int64 [N], ascending; numbers may be skipped. None means a single graph.
        loop: whether a point is its own neighbor.
        max_num_neighbors: the largest number of neighbors, or None for no limit. The nearest are kept, and of equal
            distances those of lowest index. A loop counts as a neighbor at distance 0.
        flow: ``source_to_target`` puts the point whose neighbors are found into the second row of the result,
            ``target_to_source`` into the first.
        num_workers: has no effect; it is an argument of the compiled versions.
        batch_size: has no effect; it is an argument of the compiled versions.

    Returns:
        int64 [2, E], sorted by the point whose neighbors are found, then by neighbor.

    Raises:
        UserError: ``flow`` is unknown, ``r`` is negative, or ``batch`` is not ascending or does not
            have one number per point.
    """
    if flow not in FLOWS:
        raise UserError(f"radius_graph: got flow={flow!r}, expected one of {', '.join(FLOWS)}")
    if not r >= 0:
        raise UserError(f"radius_graph: got r={r}, expected a distance of at least 0")
    if x.dim() == 1:
        x = x[:, None]
    source, target = _pairs(len(x), batch, x.device)
    squared = (x[source] - x[target]).square_().sum(-1)  # [P]
    near = squared <= r * r
    if not loop:
        near &= source != target
    source, target, squared = source[near], target[near], squared[near]  # [E]
    if max_num_neighbors is not None:
        kept = nearest(target, squared, len(x), max_num_neighbors)
        source, target = source[kept], target[kept]
    return torch.stack([source, target] if flow == "source_to_target" else [target, source])


def _pairs(n: int, batch: Tensor | None, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return source and target, [P] each, of all pairs of points of the same graph, sorted by target, then source."""
    points = torch.arange(n, device=device)
    if batch is None:
        return points.repeat(n), points.repeat_interleave(n)
    if batch.shape != (n,) or (batch.diff() < 0).any():
        raise UserError(
            f"radius_graph: got a batch of shape {tuple(batch.shape)}, expected {n} graph numbers, one per point, "
            "in ascending order. Sort the points by graph, as Batch.from_data_list does."
        )
    size = torch.bincount(batch)  # [graphs]
    start = size.cumsum(0) - size  # [graphs]: the first point of each graph
    count = size[batch]  # [N]: the number of pairs of each target
    target = points.repeat_interleave(count)
    # The number of a pair within its target, plus the first point of the graph.
    offset = start[batch] - (count.cumsum(0) - count)  # [N]
    return torch.arange(len(target), device=device) + offset[target], target
