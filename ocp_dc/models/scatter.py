"""Sums and means over the rows of a tensor that belong together: edges of an atom, atoms of a structure."""

from __future__ import annotations

from torch import Tensor


def scatter_sum(rows: Tensor, index: Tensor, count: int) -> Tensor:
    """Return the sums [count, K] of the rows [M, K] with the same index.

    Args:
        rows: [M, K].
        index: int64 [M], which sum each row belongs to.
        count: the number of sums; those without a row are zero.
    """
    return rows.new_zeros(count, rows.shape[1]).scatter_add_(0, index[:, None].expand_as(rows), rows)


def scatter_mean(rows: Tensor, index: Tensor, count: int) -> Tensor:
    """Return the means [count, K] of the rows [M, K] with the same index; see :func:`scatter_sum`."""
    members = rows.new_zeros(count).scatter_add_(0, index, rows.new_ones(len(rows))).clamp(min=1)
    return scatter_sum(rows, index, count) / members[:, None].expand(-1, rows.shape[1])
