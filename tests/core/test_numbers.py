"""Checks of numbers: what is finite, what is whole, and what the messages say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import Number, count, finite_number, is_finite, is_whole, whole_number

NO_NUMBERS: list[object] = [True, False, None, "3", "1e-3", [], math.nan, math.inf, -math.inf, 10**400, 3j]


@pytest.mark.parametrize("value", [0, 3, -2, np.int64(7), np.uint8(2)])
def test_a_whole_number_becomes_an_int(value):
    found = whole_number("n", value, least=-2)
    assert type(found) is int
    assert found == value


@pytest.mark.parametrize("value", [*NO_NUMBERS[:-2], 3.0, np.float64(2.0), np.bool_(True), 3j])
def test_what_is_no_whole_number(value):
    with pytest.raises(UserError, match=r"^optim\.n: got .*, expected a whole number, at least 1"):
        whole_number("optim.n", value)


def test_bounds_of_a_whole_number():
    assert whole_number("n", 5, 2, 5) == 5
    for value in (1, 6):
        with pytest.raises(UserError, match=f"^n: got {value}, expected a whole number, at least 2 and at most 5$"):
            whole_number("n", value, 2, 5)


@pytest.mark.parametrize("value", [0, -1.5, np.float32(0.5), np.int8(3)])
def test_a_finite_number_becomes_a_float(value):
    found = finite_number("x", value)
    assert type(found) is float
    assert found == value
    assert is_finite(value)


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_finite_number(value):
    assert not is_finite(value)
    with pytest.raises(UserError, match=r"^x: got .*, expected a finite number"):
        finite_number("x", value)


def test_a_number_above_zero():
    with pytest.raises(UserError, match=r"^x: got 0, expected a finite positive number or 'auto'$"):
        finite_number("x", 0, positive=True, words="'auto'")


def test_a_text_that_yaml_did_not_read_as_a_number():
    for check in (finite_number, whole_number):
        with pytest.raises(UserError, match=r"write 1\.0e-3 without quotes$"):
            check("x", "1e-3")
    with pytest.raises(UserError, match=r"expected a finite number$"):
        finite_number("x", "small")


@pytest.mark.parametrize(
    ("value", "whole"), [(3, True), (3.0, True), (3.5, False), (True, False), ("3", False), (math.inf, False)]
)
def test_whole_numbers_written_as_floats(value, whole):
    assert is_whole(value) is whole


def test_limits_in_words_and_in_force():
    share = Number(0, 1, above=True, below=True, nullable=False, unit="eV")
    assert str(share) == "a finite number, above 0 and below 1 eV"
    share.check(0.5, "x")
    for value in (0, 1, None, -1, 2):
        with pytest.raises(UserError, match=r"^x: got"):
            share.check(value, "x")
    count().check(None, "n")
    Number(1, whole=True, as_float=True).check(5.0e3, "n")
    with pytest.raises(UserError, match=r"^n: got 5000\.5, expected a whole number, at least 1$"):
        Number(1, whole=True, as_float=True).check(5000.5, "n")
