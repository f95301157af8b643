"""Random splits into training, validation and test sets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import whole_number


class Split(NamedTuple):
    """Disjoint index arrays (int64) into a source, in the order in which the records are written."""

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]


def random_split(n: int, train: int, val: int, test: int, seed: int) -> Split:
    """Draw disjoint random subsets of ``range(n)``.

    The test and the validation set are drawn first, so that they do not depend on the number of training samples. With
    the same seed, a smaller training set is the first part of a larger one.

    Args:
        n: size of the source.
        train: number of training samples, at least 1.
        val: number of validation samples; may be 0.
        test: number of test samples; may be 0.
        seed: seed of ``numpy.random.default_rng``.

    Raises:
        UserError: a number is out of range, or the sum exceeds ``n``.
    """
    for name, value, least in (("train", train, 1), ("val", val, 0), ("test", test, 0), ("seed", seed, 0)):
        whole_number(name, value, least)
    if train + val + test > n:
        raise UserError(
            f"got train {train} + val {val} + test {test} = {train + val + test} structures, but the source has {n};"
            " ask for fewer"
        )
    order = np.random.default_rng(seed).permutation(n).astype(np.int64)
    held_out = test + val
    return Split(train=order[held_out : held_out + train], val=order[test:held_out], test=order[:test])
