from __future__ import annotations

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.batches import ATOMS_PER_STRUCTURE, batches


def split(sizes: list[int], batch_size: int) -> list[list[int]]:
    return list(batches(sizes, int, batch_size))


def test_batches_are_bounded_in_structures_and_in_atoms():
    most = ATOMS_PER_STRUCTURE
    assert split([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
    assert split([2 * most - 1, 1, 1], 2) == [[2 * most - 1, 1], [1]]
    assert split([1, 2 * most, 1], 2) == [[1], [2 * most], [1]]
    assert split([9 * most, 9 * most, 3], 4) == [[9 * most], [9 * most], [3]]
    assert split([], 4) == []


def test_items_are_read_one_batch_ahead_at_most():
    read = []

    def items():
        for index in range(10):
            read.append(index)
            yield 1

    next(batches(items(), int, 3))
    assert read == [0, 1, 2, 3]


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "4", None])
def test_sizes_of_batches(batch_size):
    with pytest.raises(UserError, match=r"batch_size: got .*, expected a whole number, at least 1"):
        batches([1], int, batch_size)
