"""Batches that are bounded in structures and in atoms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ocp_dc.core.numbers import count as number

T = TypeVar("T")

ATOMS_PER_STRUCTURE = 128  # of a batch, on average at most; memory grows with the atoms


def batches(items: Iterable[T], natoms: Callable[[T], int], batch_size: int) -> Iterator[list[T]]:
    """Yield the items in order, in batches of at most ``batch_size`` structures and 128 times as many atoms.

    A structure with more atoms is a batch by itself. Where a batch ends depends only on the items in it and on the next
    one.

    Args:
        items: the structures, read one at a time.
        natoms: returns the number of atoms of an item.
        batch_size: the most structures in a batch.

    Raises:
        UserError: ``batch_size`` is not a whole number, or is below 1.
    """
    number(nullable=False).check(batch_size, "batch_size")
    return _batches(items, natoms, batch_size)


def _batches(items: Iterable[T], natoms: Callable[[T], int], batch_size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    atoms = 0
    for item in items:
        size = natoms(item)
        if len(batch) == batch_size or (batch and atoms + size > ATOMS_PER_STRUCTURE * batch_size):
            yield batch
            batch, atoms = [], 0
        batch.append(item)
        atoms += size
    if batch:
        yield batch
