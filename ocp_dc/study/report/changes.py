"""A comparison in words: ``lower by 24 % (95 % interval 15 to 32 %)``, ``−3 %, 95 % interval −10 to 5 %``."""

from __future__ import annotations

import math

from ocp_dc.study.report.display import DisplayUnit
from ocp_dc.study.report.statistics import Comparison

FACTOR = 3  # ratios beyond this read better as factors than in percent


def without_interval(comparison: Comparison, shown: DisplayUnit) -> str:
    """Return the change without its interval: ``24 % lower``, ``lower by a factor of 5``, ``the same``."""
    if comparison.direction == 0 or comparison.change is None:
        return "the same"
    word = _word(comparison)
    if _factors(comparison):
        return f"{word} by a factor of {_number(max(comparison.change, 1 / comparison.change))}"
    return f"{_number(abs(_amount(comparison, comparison.change, shown)))}{_unit(comparison, shown)} {word}"


def with_interval(comparison: Comparison, shown: DisplayUnit) -> str:
    """Return a change that exceeds the spread: ``lower by 24 % (95 % interval 15 to 32 %)``."""
    word, unit = _word(comparison), _unit(comparison, shown)
    ends = [end for end in (comparison.change, comparison.low, comparison.high) if end is not None]
    if _factors(comparison):
        amounts = [1 / end if comparison.direction < 0 and end else end for end in ends]
        word += " by a factor of"
    else:
        amounts = [abs(_amount(comparison, end, shown)) for end in ends]
        word += " by"
    small, large = sorted(amounts[1:])
    return f"{word} {_number(amounts[0])}{unit} (95 % interval {_number(small)} to {_number(large)}{unit})"


def signed(comparison: Comparison, shown: DisplayUnit, interval: bool = False) -> str:
    """Return the change with its sign: ``−24 %``, ``×3.1``, ``+0.012``, followed by its interval if requested.

    The text is empty if no seed finished in both.
    """
    change, low, high = comparison.change, comparison.low, comparison.high
    if change is None:
        return ""
    unit = _unit(comparison, shown)
    text = f"{_signed(comparison, change, shown)}{unit}"
    if not interval or low is None or high is None:
        return text
    return f"{text}, 95 % interval {_signed(comparison, low, shown)} to {_signed(comparison, high, shown)}{unit}"


def bracketed(comparison: Comparison, shown: DisplayUnit) -> str:
    """Return the change with its interval in brackets: ``−14 % [−18, −10]``; empty if no seed finished."""
    text = signed(comparison, shown)
    if comparison.low is None or comparison.high is None:
        return text
    low, high = (_signed(comparison, end, shown).replace("×", "") for end in (comparison.low, comparison.high))
    return f"{text} [{low}, {high}]"


def _word(comparison: Comparison) -> str:
    return "lower" if comparison.direction < 0 else "higher"


def _factors(comparison: Comparison) -> bool:
    ends = (comparison.low, comparison.change, comparison.high)
    return comparison.relative and not all(end is None or 1 / FACTOR < end < FACTOR for end in ends)


def _amount(comparison: Comparison, value: float, shown: DisplayUnit) -> float:
    return 100 * (value - 1) if comparison.relative else value / shown.size


def _unit(comparison: Comparison, shown: DisplayUnit) -> str:
    if comparison.relative:
        return "" if _factors(comparison) else " %"
    return f" {shown.unit}" if shown.unit else ""


def _signed(comparison: Comparison, value: float, shown: DisplayUnit) -> str:
    if _factors(comparison):
        return f"×{_number(value)}"
    amount = _amount(comparison, value, shown)
    return ("+" if amount > 0 else "−" if amount < 0 else "") + _number(abs(amount))


def _number(value: float) -> str:
    """Return two significant digits, and whole numbers above ten."""
    if value == 0 or not math.isfinite(value) or not 1e-3 <= value < 1e5:
        return f"{value:.2g}"
    decimals = max(0, 1 - math.floor(math.log10(float(f"{value:.1e}"))))
    return f"{value:.{decimals}f}"
