"""The space of a search: the values that a key of a config may take."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ocp_dc.core.errors import UserError, bad_value
from ocp_dc.core.numbers import Number
from ocp_dc.core.options import option, parse
from ocp_dc.study.deltas import short

if TYPE_CHECKING:
    from optuna.trial import Trial

EXPECTED = "a list of values, or a range such as {low: 3.0e-4, high: 5.0e-3, log: true}"
DIGITS = 4  # significant digits of a number that is not whole: recipes are read and written by people


@dataclasses.dataclass(frozen=True)
class RangeOptions:
    """A range of numbers."""

    low: float | None = option(None, help="the smallest value", number=Number(nullable=False))
    high: float | None = option(None, help="the largest value", number=Number(nullable=False))
    log: bool = option(False, help="whether equal factors, not equal distances, are equally likely")
    step: float | None = option(
        None,
        help="only low, low + step, ...; whole numbers if low, high and step are",
        number=Number(0, above=True, nullable=False),
    )


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``."""

    low: float
    high: float
    log: bool
    step: float | None

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return self.step is not None and all(isinstance(each, int) for each in (self.low, self.high, self.step))

    def suggest(self, trial: Trial, key: str) -> Any:
        """Return Optuna's value for a trial."""
        if self.is_whole:
            return trial.suggest_int(key, int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return trial.suggest_float(key, float(self.low), float(self.high), log=self.log, step=self.step)

    def value(self, chosen: Any) -> Any:
        """Return the value for a config, given Optuna's."""
        if self.is_whole:
            return int(chosen)
        return min(max(float(f"{chosen:.{DIGITS}g}"), float(self.low)), float(self.high))

    def chosen(self, value: Any) -> Any:
        """Return Optuna's value for one of a config; None if it is not in the range."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return None
        if self.is_whole:
            return value if isinstance(value, int) and (value - self.low) % (self.step or 1) == 0 else None
        steps = (value - self.low) / self.step if self.step else 0.0
        return float(value) if math.isclose(steps, round(steps), rel_tol=0, abs_tol=1e-6) else None

    def describe(self) -> str:
        """Return the range in words."""
        return f"{self.low:g} to {self.high:g}{', logarithmic' if self.log else ''}"

    def extremes(self) -> list[Any]:
        """Return the values to check before a search."""
        return [self.value(self.low), self.value(self.high)]


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of several values, which may be blocks."""

    values: tuple[Any, ...]

    @property
    def names(self) -> list[str]:
        """The values as texts, by which Optuna knows them."""
        return [short(value) for value in self.values]

    def suggest(self, trial: Trial, key: str) -> Any:
        """Return Optuna's value for a trial."""
        return trial.suggest_categorical(key, self.names)

    def value(self, chosen: Any) -> Any:
        """Return the value for a config, given Optuna's."""
        return self.values[self.names.index(chosen)]

    def chosen(self, value: Any) -> Any:
        """Return Optuna's value for one of a config, which may be written differently; None if it is not among them."""
        found = (name for name, own in zip(self.names, self.values, strict=True) if _are_equal(own, value))
        return next(found, None)

    def describe(self) -> str:
        """Return the values in words."""
        return ", ".join(self.names)

    def extremes(self) -> list[Any]:
        """Return the values to check before a search: each."""
        return list(self.values)


def _are_equal(one: Any, other: Any) -> bool:
    """Return whether two values are equal; true and 1 are not."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


Values = Range | Choice
Space = Mapping[str, Values]


def read_space(block: Any, path: str) -> dict[str, Values]:
    """Return the values by dotted key.

    Args:
        block: the block of the file.
        path: its place in the file, for messages.

    Raises:
        UserError: a key has neither a list of different values nor a range.
    """
    if not isinstance(block, Mapping) or not all(isinstance(key, str) for key in block):
        raise bad_value(path, block, "keys of the config with their values, such as {optim.batch_size: [5, 10]}")
    return {key: _read_values(values, f"{path}.{key}") for key, values in block.items()}


def _read_values(values: Any, path: str) -> Values:
    if isinstance(values, Mapping):
        options = parse(RangeOptions, values, path)
        if options.low is None or options.high is None:
            raise UserError(f"{path}: got {short(values)}, expected low and high, such as {{low: 0.1, high: 10}}")
        if not options.low < options.high:
            raise UserError(f"{path}: got low {options.low:g} and high {options.high:g}, expected low below high")
        if options.log and options.low <= 0:
            raise bad_value(f"{path}.low", options.low, "a number above 0, since the range is logarithmic")
        if options.log and options.step not in (None, 1):
            raise bad_value(f"{path}.step", options.step, "1 or none, since the range is logarithmic")
        found = Range(options.low, options.high, options.log, options.step)
        if options.log and options.step is not None and not found.is_whole:
            raise bad_value(path, values, "whole numbers low and high, since it has log and a step")
        return found
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) < 2:
        raise bad_value(path, values, EXPECTED)
    choice = Choice(tuple(values))
    if len(set(choice.names)) < len(choice.names):
        raise bad_value(path, values, "different values")
    return choice


def values_at(config: Any, path: Sequence[str]) -> Iterator[Any]:
    """Yield the value of a config at a dotted path, if there is one.

    In a list of blocks, such as fairchem's ``loss_functions``, a name selects the entry with that key.
    """
    if not path:
        yield config
    elif isinstance(config, Mapping):
        if path[0] in config:
            yield from values_at(config[path[0]], path[1:])
    elif isinstance(config, list):
        if path[0].isdecimal():
            yield from values_at(config[int(path[0])], path[1:])
        else:
            for entry in config:
                yield from values_at(entry, path)


def start_of(space: Space, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return Optuna's values of a config's own values, without those that are absent or outside the space."""
    start = {}
    for key, values in space.items():
        own = [values.chosen(value) for value in values_at(config, key.split("."))]
        if own and own[0] is not None:
            start[key] = own[0]
    return start
