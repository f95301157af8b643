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


Size = int | float | None
"""The size of a split: a number of structures, a share of all as a float from 0.0 to 1.0, or None for the default."""

DEFAULT_SHARE = 0.1  # of validation and test


class Sizes(NamedTuple):
    """The numbers of structures of the splits."""

    train: int
    val: int
    test: int


def split_sizes(n: int, train: Size = None, val: Size = None, test: Size = None) -> Sizes:
    """Return the numbers of structures of the splits.

    By default validation and test have a tenth of all structures each, or share equally what the others leave if that
    is less, and training has the rest.

    >>> split_sizes(1000)
    Sizes(train=800, val=100, test=100)
    >>> split_sizes(1000, train=0.5, test=0)
    Sizes(train=500, val=100, test=0)

    Args:
        n: the number of all structures.
        train: the size of the training set.
        val: the size of the validation set.
        test: the size of the test set.

    Raises:
        UserError: a size is neither a whole number nor a share.
    """
    given = {"train": train, "val": val, "test": test}
    counts = {name: _count(n, name, size) for name, size in given.items() if size is not None}
    for name in ("test", "val"):  # of a single structure to spare, the validation set is the more useful
        if name not in counts:
            missing = [other for other in ("val", "test") if other not in counts]
            left = n - sum(counts.values()) - ("train" not in counts)  # at least one to train on
            counts[name] = max(0, min(max(1, round(DEFAULT_SHARE * n)), left // len(missing)))
    left = max(1, n - counts["val"] - counts["test"])
    shares = sum(size if isinstance(size, float) else (size or 0) / n for size in given.values())
    if train is None or (isinstance(train, float) and shares <= 1 + 1e-9):  # 0.8, 0.1 and 0.1 of 15 are 12, 2 and 2
        counts["train"] = left if train is None else min(counts["train"], left)
    return Sizes(**counts)


def parse_size(text: str | None, option: str) -> Size:
    """Return the size of a split for a text: a whole number, a share such as ``0.8`` or ``80 %``, or None.

    Raises:
        UserError: the text is something else.
    """
    if text is None or (text.isascii() and text.isdigit()):
        return None if text is None else int(text)
    try:
        share = float(text.rstrip(" %")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UserError(f"{option}: got {text!r}, expected a number of structures, or a share such as 0.8 or 80 %")
    return share


def _count(n: int, name: str, size: int | float) -> int:
    if isinstance(size, float):
        if not 0 <= size <= 1:
            raise UserError(f"{name}: got {size!r}, expected a whole number, or a share from 0.0 to 1.0")
        return round(size * n)
    whole_number(name, size, 1 if name == "train" else 0)
    return size


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
