"""Checks of numbers that a user gives: finite, whole, within bounds."""

from __future__ import annotations

import dataclasses
import math
from numbers import Integral, Real
from typing import Any

from ocp_dc.core.errors import bad_value

YAML_HINT = "YAML reads numbers in quotes, and 1e-3, as text: write 1.0e-3 without quotes"


@dataclasses.dataclass(frozen=True)
class Number:
    """The valid values of a number.

    Args:
        least: the smallest value.
        most: the largest value.
        above: whether ``least`` itself is too small.
        below: whether ``most`` itself is too large.
        whole: whether the number counts something.
        as_float: whether a whole number may be written as a float, such as 5.0e+3.
        nullable: whether null is valid.
        unit: unit of the number, for the message.
    """

    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False
    as_float: bool = False
    nullable: bool = True
    unit: str = ""

    def check(self, value: Any, path: str) -> None:
        """Check a value.

        Args:
            value: what the user gave; a bool or a text is not a number.
            path: its place in the config, for the message.

        Raises:
            UserError: the value is not valid.
        """
        if value is None and self.nullable:
            return
        kind = int if self.whole and not (self.as_float and is_whole(value)) else Real
        good = isinstance(value, kind) and is_finite(value)
        good = good and (value > self.least if self.above else value >= self.least)
        if not (good and (value < self.most if self.below else value <= self.most)):
            raise bad_value(path, value, str(self), mend=yaml_hint(value))

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a finite number"
        lower = f"above {self.least:g}" if self.above else f"at least {self.least:.12g}"
        upper = f"below {self.most:.12g}" if self.below else f"at most {self.most:.12g}"
        limits = [text for text, limit in ((lower, self.least), (upper, self.most)) if math.isfinite(limit)]
        return ", ".join([kind, " and ".join(limits)] if limits else [kind]) + (f" {self.unit}" if self.unit else "")


def count(least: int = 1, most: float = math.inf, nullable: bool = True) -> Number:
    """Return the valid values of a whole number."""
    return Number(least, most, whole=True, nullable=nullable)


def whole_number(path: str, value: object, least: int = 1, most: float = math.inf) -> int:
    """Return ``value`` as an int.

    Args:
        path: its place in the config, or its name, for the message.
        value: what the user gave; NumPy's integers are valid too.
        least: the smallest value.
        most: the largest value.

    Raises:
        UserError: the value is not a whole number, which excludes a bool, a float and a text, or is out of range.
    """
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value
    count(least, most, nullable=False).check(number, path)
    assert isinstance(number, int)
    return number


def finite_number(path: str, value: object, *, positive: bool = False, words: str = "") -> float:
    """Return ``value`` as a float.

    Args:
        path: its place in the config, or its name, for the message.
        value: what the user gave.
        positive: whether the number must be above zero.
        words: another valid value, for the message, for example ``"'unit_moment'"``.

    Raises:
        UserError: the value is not a number, which excludes a bool and a text, not finite, or not positive as required.
    """
    if is_finite(value) and (float(value) > 0 or not positive):  # type: ignore[arg-type]
        return float(value)  # type: ignore[arg-type]
    expected = ("a finite positive number" if positive else "a finite number") + (f" or {words}" if words else "")
    raise bad_value(path, value, expected, mend=yaml_hint(value))


def is_finite(value: object) -> bool:
    """Return whether a value is a finite number; a bool is not a number."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond the floats
        return False


def is_whole(value: object) -> bool:
    """Return whether a value is a whole number, written as an int or as a float."""
    return isinstance(value, int | float) and is_finite(value) and float(value).is_integer()


def yaml_hint(value: object) -> str:
    """Return the hint for a number that YAML read as a text, or an empty string."""
    try:
        is_number = isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        is_number = False
    return YAML_HINT if is_number else ""
