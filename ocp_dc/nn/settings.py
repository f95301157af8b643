"""Checks on the numbers that an activation is given."""

from __future__ import annotations

import math
from numbers import Real

from ocp_dc.core.errors import UserError


def finite_number(name: str, value: object, *, positive: bool = False, words: str = "") -> float:
    """Return ``value`` as a float.

    Args:
        name: the setting's name, for the message.
        value: what the user gave.
        positive: whether it must also be above zero.
        words: what else the setting takes, for the message, for example ``"'unit_moment'"``.

    Raises:
        UserError: ``value`` is no number (a bool or a text is none), not finite, or not positive where it must be.
    """
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number) and (number > 0 or not positive):
            return number
    expected = ("a finite positive number" if positive else "a finite number") + (f" or {words}" if words else "")
    raise UserError(f"{name}: got {value!r}, expected {expected}{_mend(value)}")


def _mend(value: object) -> str:
    """Return the hint for a number that YAML took for a text, or an empty string."""
    try:
        is_text = isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        is_text = False
    return "; YAML reads numbers in quotes, and 1e-3, as text: write 1.0e-3 without quotes" if is_text else ""
