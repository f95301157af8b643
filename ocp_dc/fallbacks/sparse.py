"""Replacement for the part of torch_sparse.SparseTensor that fairchem 1.10 uses to enumerate triplets and quadruplets.

Entries are sorted by (row, column). Several entries in the same position are all kept, in their original order, as
periodic graphs have several edges between the same two atoms. Written from torch_sparse's documentation
(https://github.com/rusty1s/pytorch_sparse), not from its code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ocp_dc.core.errors import UserError
from ocp_dc.fallbacks.scatter import scatter


class SparseStorage:
    """The entries of a sparse matrix: ``row()`` [nnz], ``col()`` [nnz] and ``value()`` [nnz, ...] or None."""

    def __init__(self, row: Tensor, col: Tensor, value: Tensor | None) -> None:
        self._row, self._col, self._value = row, col, value

    def row(self) -> Tensor:
        """Return the row of each entry, int64 [nnz], ascending."""
        return self._row

    def col(self) -> Tensor:
        """Return the column of each entry, int64 [nnz], ascending within a row."""
        return self._col

    def value(self) -> Tensor | None:
        """Return the value of each entry, [nnz, ...], or None for a matrix without values."""
        return self._value


class SparseTensor:
    """A sparse matrix in coordinate format.

    Args:
        row: int64 [nnz], in any order.
        col: int64 [nnz].
        value: [nnz, ...], or None for a matrix without values.
        sparse_sizes: (rows, columns); None derives them from the largest indices.

    Raises:
        UserError: lengths differ, or an index is outside ``sparse_sizes``.
    """

    storage: SparseStorage

    def __init__(
        self, *, row: Tensor, col: Tensor, value: Tensor | None = None, sparse_sizes: tuple[int, int] | None = None
    ) -> None:
        lengths = [len(x) for x in (row, col, value) if x is not None]
        if len(set(lengths)) != 1:
            raise UserError(f"SparseTensor: got row, col and value of lengths {lengths}, expected one length")
        needed = (int(row.max()) + 1, int(col.max()) + 1) if len(row) else (0, 0)
        sizes = needed if sparse_sizes is None else (int(sparse_sizes[0]), int(sparse_sizes[1]))
        if needed[0] > sizes[0] or needed[1] > sizes[1]:
            raise UserError(f"SparseTensor: got sparse_sizes {sizes}, expected at least {needed} for these indices")
        order = torch.argsort(row * sizes[1] + col, stable=True)
        self._sizes = sizes
        self.storage = SparseStorage(row[order], col[order], None if value is None else value[order])

    @classmethod
    def _from_sorted(cls, storage: SparseStorage, sizes: tuple[int, int]) -> SparseTensor:
        new = cls.__new__(cls)
        new.storage, new._sizes = storage, sizes
        return new

    def __getitem__(self, index: Tensor) -> SparseTensor:
        """Select rows: row k of the result is row ``index[k]`` of this matrix.

        Args:
            index: int64 [K], in any order; rows may be repeated.

        Raises:
            UserError: ``index`` is not a one-dimensional int64 tensor.
        """
        if not isinstance(index, Tensor) or index.dtype != torch.int64 or index.dim() != 1:
            raise UserError(f"SparseTensor: got index {index!r}, expected a one-dimensional int64 tensor of rows")
        row, col, value = self.coo()
        length = torch.bincount(row, minlength=self._sizes[0])  # [rows]
        start = length.cumsum(0) - length  # [rows]: the first entry of each row
        count = length[index]  # [K]
        new_row = torch.arange(len(index), device=row.device).repeat_interleave(count)  # [new nnz]
        # The number of an entry within its row, then its position among the old entries.
        inner = torch.arange(len(new_row), device=row.device) - (count.cumsum(0) - count)[new_row]
        entry = start[index][new_row] + inner
        storage = SparseStorage(new_row, col[entry], None if value is None else value[entry])
        return self._from_sorted(storage, (len(index), self._sizes[1]))

    def coo(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the row, column and value of the entries, sorted by (row, column)."""
        return self.storage.row(), self.storage.col(), self.storage.value()

    def sparse_sizes(self) -> tuple[int, int]:
        """Return (rows, columns)."""
        return self._sizes

    def set_value(self, value: Tensor | None, layout: str | None = None) -> SparseTensor:
        """Return this matrix with other values, [nnz, ...] in the order of :meth:`coo`, or without values.

        Raises:
            UserError: the number of values is wrong, or ``layout`` is neither None nor ``"coo"``.
        """
        row, col, _ = self.coo()
        if layout not in (None, "coo"):
            raise UserError(f"SparseTensor: got layout={layout!r}, expected 'coo': values in the order of coo()")
        if value is not None and len(value) != len(row):
            raise UserError(f"SparseTensor: got {len(value)} values, expected {len(row)}, one for each entry")
        return self._from_sorted(SparseStorage(row, col, value), self._sizes)

    def set_value_(self, value: Tensor | None, layout: str | None = None) -> SparseTensor:
        """Set the values in place, as :meth:`set_value` does, and return self."""
        self.storage = self.set_value(value, layout).storage
        return self

    def sum(self, dim: int) -> Tensor:
        """Return the sum of each row, [rows, ...], or without values its number of entries, int64 [rows].

        Raises:
            UserError: ``dim`` is not 1.
        """
        if dim != 1:
            raise UserError(f"SparseTensor.sum: got dim={dim!r}, expected 1: the fallback sums rows only")
        row, _, value = self.coo()
        return scatter(torch.ones_like(row) if value is None else value, row, 0, dim_size=self._sizes[0])
