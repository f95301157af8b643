from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.data.splits import Size, parse_size, random_split, split_sizes


@given(st.integers(1, 40), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 2**32))
def test_disjoint_and_of_the_asked_size(train: int, val: int, test: int, spare: int, seed: int) -> None:
    n = train + val + test + spare
    split = random_split(n, train, val, test, seed)
    assert [len(part) for part in split] == [train, val, test]
    together = np.concatenate(split)
    assert len(set(together.tolist())) == len(together)
    assert all(0 <= index < n for index in together)
    assert all(part.dtype == np.int64 for part in split)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32))
def test_held_out_sets_do_not_depend_on_the_number_of_training_samples(few: int, many: int, seed: int) -> None:
    few, many = sorted((few, many))
    small, large = (random_split(50, train, 10, 10, seed) for train in (few, many))
    np.testing.assert_array_equal(small.val, large.val)
    np.testing.assert_array_equal(small.test, large.test)
    np.testing.assert_array_equal(small.train, large.train[:few])


def test_the_seed_decides() -> None:
    first, again, other = (random_split(100, 50, 25, 25, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(again))
    assert not np.array_equal(np.concatenate(first), np.concatenate(other))
    assert not np.array_equal(np.concatenate(first), np.arange(100))


def test_more_than_there_are() -> None:
    with pytest.raises(UserError, match=r"train 8 \+ val 1 \+ test 2 = 11 structures, but the source has 10"):
        random_split(10, 8, 1, 2, 0)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("train", (0, 1, 1, 0)),
        ("train", (-1, 1, 1, 0)),
        ("val", (1, -1, 1, 0)),
        ("test", (1, 1, -1, 0)),
        ("seed", (1, 1, 1, -1)),
        ("train", (1.5, 1, 1, 0)),
        ("train", (True, 1, 1, 0)),
    ],
)
def test_out_of_range(name: str, arguments: tuple) -> None:
    with pytest.raises(UserError, match=f"{name}: got .* expected a whole number"):
        random_split(10, *arguments)


@pytest.mark.parametrize(
    ("n", "given", "expected"),
    [
        (1000, (None, None, None), (800, 100, 100)),
        (27, (None, None, None), (21, 3, 3)),
        (3, (None, None, None), (1, 1, 1)),
        (2, (None, None, None), (1, 1, 0)),
        (1, (None, None, None), (1, 0, 0)),
        (1000, (800, None, None), (800, 100, 100)),
        (1000, (950, None, None), (950, 25, 25)),
        (1000, (None, 0, 0), (1000, 0, 0)),
        (1000, (0.5, None, 0), (500, 100, 0)),
        (15, (0.8, 0.1, 0.1), (11, 2, 2)),
        (10, (1.0, 0, 0), (10, 0, 0)),
        (10, (4, 0.3, 1), (4, 3, 1)),
    ],
)
def test_counts_shares_and_defaults(n: int, given: tuple[Size, ...], expected: tuple[int, ...]) -> None:
    assert split_sizes(n, *given) == expected


def test_shares_of_more_than_all() -> None:
    with pytest.raises(UserError, match="ask for fewer"):
        random_split(10, *split_sizes(10, 0.9, 0.2, 0.1), 0)
    with pytest.raises(UserError, match=r"val: got 1\.5"):
        split_sizes(10, None, 1.5, None)


@pytest.mark.parametrize(("text", "size"), [("800", 800), ("0.8", 0.8), ("80 %", 0.8), ("5%", 0.05), (None, None)])
def test_sizes_of_the_command_line(text: str | None, size: Size) -> None:
    assert parse_size(text, "--train") == size


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "120 %", "", "nan"])
def test_texts_that_are_no_sizes(text: str) -> None:
    with pytest.raises(UserError, match="--val: got"):
        parse_size(text, "--val")
