"""Replacement for torch_scatter: reductions over segments in plain PyTorch.

The semantics are those of torch_scatter's documentation (https://pytorch-scatter.readthedocs.io), from which this was
written, and not from its code. The mean with ``out=`` is not documented; it is what torch_scatter computes. All
functions are twice differentiable. Sums are bitwise those of ``index_add``, and therefore deterministic on the CPU.
Features that fairchem 1.10 never uses (``reduce="mul"``, an ``indptr`` of several dimensions) raise an error.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ocp_dc.core.errors import UserError, unknown_name

REDUCTIONS = ("sum", "add", "mean", "min", "max")


def broadcast(src: Tensor, other: Tensor, dim: int) -> Tensor:
    """Expand ``src`` to the shape of ``other``; a one-dimensional ``src`` is placed along ``dim``.

    Args:
        src: a tensor of shape [other.shape[dim]], or the leading dimensions of ``other``, each of full size or 1.
        other: the tensor with the required shape.
        dim: the dimension of a one-dimensional ``src``.

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
        dim: the dimension to reduce.
        out: the tensor to change in place and return, or None for a new one. Its values are included: a sum is added
            to them, a mean divides the sum that includes them by the number of entries, and min and max treat them as
            one more entry. Segments without entries keep them.
        dim_size: the number of segments of a new tensor; None is ``index.max() + 1``, or 0 for an empty index.
        reduce: sum (or add), mean, min or max. The mean of integers is rounded down. The gradient of min and max goes
            to the first entry with this value. The min and max of a segment with a NaN are NaN.

    Returns:
        shape [..., dim_size, ...], dtype of ``src``; an empty segment holds 0, for every reduction.

    Raises:
        UserError: ``out`` has another shape, ``reduce`` is unknown, or ``dim`` is out of range.
    """
    return _reduce(src, index, dim, out, dim_size, reduce)[0]


def scatter_sum(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """Return the sums of the segments; see :func:`scatter`."""
    return scatter(src, index, dim, out, dim_size, "sum")


scatter_add = scatter_sum


def scatter_mean(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """Return the means of the segments; see :func:`scatter`."""
    return scatter(src, index, dim, out, dim_size, "mean")


def scatter_min(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the minima of the segments and their positions; see :func:`scatter` and :func:`scatter_max`."""
    return _reduce(src, index, dim, out, dim_size, "min")


def scatter_max(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the maxima of the segments and their positions; see :func:`scatter`.

    Returns:
        the values, and the position of each along ``dim``, int64: the first entry with this value, or
        ``src.shape[dim]`` for a segment without entries or one that keeps the value of ``out``.
    """
    return _reduce(src, index, dim, out, dim_size, "max")


def segment_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None, reduce: str = "sum"
) -> Tensor:
    """Reduce ``src`` over segments along the last dimension of ``index``; see :func:`scatter` for the rest.

    Args:
        src: values, shape [..., E, ...] with E at ``index.dim() - 1``.
        index: int64 segment numbers, shape [..., E]. torch_scatter requires them to be sorted; here any order is
            valid.
        out: as in :func:`scatter`.
        dim_size: the number of segments of a new tensor.
        reduce: sum (or add), mean, min or max.
    """
    return scatter(src, index, index.dim() - 1, out, dim_size, reduce)


def segment_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None, reduce: str = "sum") -> Tensor:
    """Reduce ``src`` over consecutive segments along its first dimension; see :func:`scatter` for the rest.

    Args:
        src: values, shape [E, ...].
        indptr: int64 boundaries, shape [S + 1], ascending: segment s is ``src[indptr[s]:indptr[s + 1]]``.
        out: the tensor to overwrite with the result and return, or None for a new one. Unlike in :func:`scatter`, its
            values are not included.
        reduce: sum (or add), mean, min or max.

    Returns:
        shape [S, ...].

    Raises:
        UserError: ``indptr`` is not a one-dimensional tensor of ascending boundaries within ``src``.
    """
    lengths = indptr.diff()
    if indptr.dim() != 1 or not len(indptr) or (lengths < 0).any() or indptr[0] < 0 or indptr[-1] > len(src):
        raise UserError(
            f"segment_csr: got indptr {indptr.tolist()}, expected one-dimensional ascending boundaries "
            f"within the {len(src)} rows of src"
        )
    segments = torch.arange(len(lengths), device=src.device).repeat_interleave(lengths)  # [E']
    result = scatter(src[indptr[0] : indptr[-1]], segments, 0, None, len(lengths), reduce)
    if out is None:
        return result
    if out.shape != result.shape:
        raise UserError(f"segment_csr: got out of shape {tuple(out.shape)}, expected {tuple(result.shape)}")
    return out.copy_(result)


def _reduce(
    src: Tensor, index: Tensor, dim: int, out: Tensor | None, dim_size: int | None, reduce: str
) -> tuple[Tensor, Tensor]:
    """Return the result of a reduction, and for min and max the positions of their entries, otherwise the index."""
    if reduce not in REDUCTIONS:
        raise unknown_name("reduce", reduce, REDUCTIONS)
    if not -src.dim() <= dim < src.dim():
        raise UserError(f"scatter: got dim={dim}, expected a dimension of src, whose shape is {tuple(src.shape)}")
    dim %= src.dim()
    if out is not None:
        dim_size = _size_of(out, src, dim)
    elif dim_size is None:
        dim_size = int(index.max()) + 1 if index.numel() else 0
    # Do not expand a one-dimensional index: index_add on whole slices needs no copy of it.
    if index.dim() != 1 or index.shape[0] != src.shape[dim]:
        index = broadcast(index, src, dim)
    if reduce in ("min", "max"):
        return _extreme(src, index, dim, int(dim_size), out, f"a{reduce}")
    return (_mean if reduce == "mean" else _sum)(src, index, dim, int(dim_size), out), index


def _size_of(out: Tensor, src: Tensor, dim: int) -> int:
    """Return the number of segments of ``out``, whose other dimensions must be those of ``src``."""
    if out.dim() != src.dim() or any(
        d != dim and a != b for d, (a, b) in enumerate(zip(out.shape, src.shape, strict=True))
    ):
        raise UserError(
            f"scatter: got out of shape {tuple(out.shape)}, expected the shape of src, {tuple(src.shape)}, "
            f"except for the number of segments in dimension {dim}"
        )
    return out.shape[dim]


def _sum(src: Tensor, index: Tensor, dim: int, size: int, out: Tensor | None = None) -> Tensor:
    total = src.new_zeros((*src.shape[:dim], size, *src.shape[dim + 1 :])) if out is None else out
    return total.index_add_(dim, index, src) if index.dim() == 1 else total.scatter_add_(dim, index, src)


def _mean(src: Tensor, index: Tensor, dim: int, size: int, out: Tensor | None) -> Tensor:
    total = _sum(src, index, dim, size, out)
    count = _sum(torch.ones_like(index), index, min(dim, index.dim() - 1), size).clamp_(min=1)
    count = broadcast(count, total, dim)
    if out is not None:
        return total.div_(count, rounding_mode=None if total.is_floating_point() else "floor")
    return total / count if total.is_floating_point() else (total // count).to(src.dtype)


def _extreme(src: Tensor, index: Tensor, dim: int, size: int, out: Tensor | None, reduce: str) -> tuple[Tensor, Tensor]:
    index = broadcast(index, src, dim)
    length = src.shape[dim]
    shape = (*src.shape[:dim], size, *src.shape[dim + 1 :])
    with torch.no_grad():
        value = src.new_zeros(shape).scatter_reduce_(dim, index, src, reduce, include_self=False)
        attains = (src == value.gather(dim, index)) | (src != src)  # NaN is not equal to itself
        position = broadcast(torch.arange(length, device=src.device), src, dim)
        # The first entry with the value; for an empty segment `length`, the position of the zero appended below.
        first = torch.full(shape, length, device=src.device)
        first.scatter_reduce_(dim, index, position.masked_fill(~attains, length), "amin")
    zero = src.new_zeros((*src.shape[:dim], 1, *src.shape[dim + 1 :]))
    result = torch.cat([src, zero], dim).gather(dim, first)
    if out is None:
        return result, first
    better = (result < out if reduce == "amin" else result > out) | ((result != result) & (out == out))
    better &= first < length
    return out.copy_(torch.where(better, result, out)), first.masked_fill(~better, length)
