"""Sums and means over groups of rows of a tensor, such as the edges of an atom or the atoms of a structure."""

from __future__ import annotations

from torch import Tensor


def scatter_sum(rows: Tensor, index: Tensor, count: int) -> Tensor:
    """Return the sums [count, K] of rows with the same index.

    Args:
        rows: [M, K].
        index: int64 [M], the sum that each row is added to.
        count: the number of sums; a sum of no rows is zero.
    """
    return rows.new_zeros(count, rows.shape[1]).scatter_add_(0, index[:, None].expand_as(rows), rows)


def scatter_mean(rows: Tensor, index: Tensor, count: int) -> Tensor:
    """Return the means [count, K] of rows [M, K] with the same index; see :func:`scatter_sum`."""
    members = rows.new_zeros(count).scatter_add_(0, index, rows.new_ones(rows.shape[0])).clamp(min=1)
    return scatter_sum(rows, index, count) / members[:, None].expand(-1, rows.shape[1])
