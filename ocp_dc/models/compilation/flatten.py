"""Graphs of potentials as flat lists of tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor


def flatten(graph: Any) -> list[Tensor]:
    """Return the tensors of a graph, in the order of its fields.

    Args:
        graph: a tensor, or a dataclass of tensors, of further such dataclasses, and of None.

    Raises:
        TypeError: the graph holds anything else.
    """
    return list(_tensors(graph))


def rebuild(graph: Any, tensors: Iterable[Tensor]) -> Any:
    """Return a graph of the same kind with other tensors, in the order of :func:`flatten`."""
    return _rebuild(graph, iter(tensors))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif value is None:
        return
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _tensors(getattr(value, field.name))
    else:
        raise TypeError(f"a graph holds {type(value).__name__}, expected tensors and dataclasses of tensors")


def _rebuild(value: Any, tensors: Iterator[Tensor]) -> Any:
    if isinstance(value, Tensor):
        return next(tensors)
    if value is None:
        return None
    return type(value)(
        **{field.name: _rebuild(getattr(value, field.name), tensors) for field in dataclasses.fields(value)}
    )
