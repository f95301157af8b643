"""Observation of the features that scale factors scale, for a fit of the factors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

Weights = Callable[[], Tensor]
Observer = Callable[[Any, Tensor, "Tensor | None", "Weights | None"], object]  # takes the arguments of observe


_observers: list[Observer] = []


@contextlib.contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Call an observer for each factor that features pass within the block."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def is_observed() -> bool:
    """Return whether there is an observer."""
    return bool(_observers)


def observe(factor: Any, features: Tensor, reference: Tensor | None = None, weights: Weights | None = None) -> None:
    """Show scaled features to the observers, if there are any.

    Args:
        factor: the scale factor.
        features: [M, F], multiplied by the factor.
        reference: features whose variance the scaled ones are to have, [..., F']; None for a variance of 1.
        weights: returns how often each row of the reference counts, [...]; None for once.
    """
    for observer in _observers:
        observer(factor, features, reference, weights)
