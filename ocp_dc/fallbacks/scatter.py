"""Stand-in for torch_scatter: reductions over segments in plain PyTorch.

Semantics are those of torch_scatter's documentation (https://pytorch-scatter.readthedocs.io), written against it and
not from its code. Everything is differentiable twice. Sums are ``index_add`` to the last bit, so on the CPU they are
deterministic. What fairchem 1.10 never uses (``out=``, ``reduce="mul"``, an ``indptr`` of several dimensions) is
refused with a message rather than approximated.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ocp_dc.core.errors import UserError, unknown_name


def broadcast(src: Tensor, other: Tensor, dim: int) -> Tensor:
    """Expand ``src`` to the shape of ``other``, a one-dimensional ``src`` lying along ``dim``.

    Args:
        src: a tensor of shape [other.shape[dim]], or the leading dimensions of ``other``, each of full size or 1.
        other: the tensor whose shape is wanted.
        dim: where a one-dimensional ``src`` goes.

    Returns:
        A view of ``src`` with the shape of ``other``.
    """
    shape = [*src.shape] + [1] * (other.dim() - src.dim())
    if src.dim() == 1:
        shape = [1] * other.dim()
        shape[dim] = src.shape[0]
    return src.reshape(shape).expand(other.shape)


def scatter(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    reduce: str = "sum",
) -> Tensor:
    """Reduce the entries of ``src`` along ``dim`` that share an index.

    Args:
        src: values, shape [..., E, ...] with E at ``dim``.
        index: int64 segment numbers, shape [E] or broadcastable to ``src``, in any order.
        dim: the dimension that is reduced.
        out: must be None; there for the sake of the positions.
        dim_size: the number of segments; ``index.max() + 1`` (0 for an empty index) where None.
        reduce: sum (or add), mean, min or max. The mean of integers is rounded down. The gradient of min and max goes
            to the first entry that attains the value. A NaN is a segment's min and max, and is never skipped.

    Returns:
        shape [..., dim_size, ...], dtype of ``src``; an empty segment holds 0, for every reduction.

    Raises:
        UserError: ``out`` is given, ``reduce`` is unknown, or ``dim`` is out of range.
    """
    if out is not None:
        raise UserError(
            "scatter: got out=, expected None: the fallback of torch_scatter returns a new tensor. "
            "Add the result to out, or install torch_scatter."
        )
    if reduce not in _REDUCTIONS:
        raise unknown_name("reduce", reduce, _REDUCTIONS)
    if not -src.dim() <= dim < src.dim():
        raise UserError(f"scatter: got dim={dim}, expected a dimension of src, whose shape is {tuple(src.shape)}")
    dim %= src.dim()
    if dim_size is None:
        dim_size = int(index.max()) + 1 if index.numel() else 0
    # A one-dimensional index stays as it is: index_add on whole slices needs no expanded copy of it.
    if index.dim() != 1 or index.shape[0] != src.shape[dim]:
        index = broadcast(index, src, dim)
    return _REDUCTIONS[reduce](src, index, dim, int(dim_size))


def segment_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None, reduce: str = "sum"
) -> Tensor:
    """Reduce ``src`` over segments along the last dimension of ``index``; see :func:`scatter` for the rest.

    Args:
        src: values, shape [..., E, ...] with E at ``index.dim() - 1``.
        index: int64 segment numbers, shape [..., E]. torch_scatter wants them sorted; here the order is free.
        out: must be None.
        dim_size: the number of segments.
        reduce: sum (or add), mean, min or max.
    """
    return scatter(src, index, index.dim() - 1, out, dim_size, reduce)


def segment_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None, reduce: str = "sum") -> Tensor:
    """Reduce ``src`` over consecutive segments along its first dimension; see :func:`scatter` for the rest.

    Args:
        src: values, shape [E, ...].
        indptr: int64 boundaries, shape [S + 1], ascending: segment s is ``src[indptr[s]:indptr[s + 1]]``.
        out: must be None.
        reduce: sum (or add), mean, min or max.

    Returns:
        shape [S, ...].

    Raises:
        UserError: ``indptr`` is no list of ascending boundaries within ``src``.
    """
    lengths = indptr.diff()
    if indptr.dim() != 1 or not len(indptr) or (lengths < 0).any() or indptr[0] < 0 or indptr[-1] > len(src):
        raise UserError(
            f"segment_csr: got indptr {indptr.tolist()}, expected one-dimensional ascending boundaries "
            f"within the {len(src)} rows of src"
        )
    segments = torch.arange(len(lengths), device=src.device).repeat_interleave(lengths)  # [E']
    return scatter(src[indptr[0] : indptr[-1]], segments, 0, out, len(lengths), reduce)


def _sum(src: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
    zeros = src.new_zeros((*src.shape[:dim], size, *src.shape[dim + 1 :]))
    return zeros.index_add_(dim, index, src) if index.dim() == 1 else zeros.scatter_add_(dim, index, src)


def _mean(src: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
    total = _sum(src, index, dim, size)
    count = _sum(torch.ones_like(index), index, min(dim, index.dim() - 1), size).clamp_(min=1)
    count = broadcast(count, total, dim)
    return total / count if total.is_floating_point() else (total // count).to(src.dtype)


def _extreme(src: Tensor, index: Tensor, dim: int, size: int, reduce: str) -> Tensor:
    index = broadcast(index, src, dim)
    length = src.shape[dim]
    shape = (*src.shape[:dim], size, *src.shape[dim + 1 :])
    with torch.no_grad():
        value = src.new_zeros(shape).scatter_reduce_(dim, index, src, reduce, include_self=False)
        attains = (src == value.gather(dim, index)) | (src != src)  # NaN equals nothing, itself included
        position = broadcast(torch.arange(length, device=src.device), src, dim)
        # The first entry that attains the value; `length`, the zero appended below, for an empty segment.
        first = torch.full(shape, length, device=src.device)
        first.scatter_reduce_(dim, index, position.masked_fill(~attains, length), "amin")
    zero = src.new_zeros((*src.shape[:dim], 1, *src.shape[dim + 1 :]))
    return torch.cat([src, zero], dim).gather(dim, first)


def _min(src: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
    return _extreme(src, index, dim, size, "amin")


def _max(src: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
    return _extreme(src, index, dim, size, "amax")


_REDUCTIONS: dict[str, Callable[[Tensor, Tensor, int, int], Tensor]] = {
    "sum": _sum,
    "add": _sum,
    "mean": _mean,
    "min": _min,
    "max": _max,
}
