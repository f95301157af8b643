"""Check the content of an untrusted file: plain containers of bounded size."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Any

import torch

from ocp_dc.core.errors import UnsafeDataError, UserError

KNOWN_ATTRIBUTES = {"_metadata"}  # of a state_dict
DEEPEST = 50  # levels of a config
MOST_ENTRIES = 100_000  # of a config; a shared entry counts each time it occurs


def check_containers(content: Any, where: str) -> None:
    """Check that no mapping and no tensor has attributes that replace its methods, such as ``get``.

    Python's ordered mappings and torch's parameters accept attributes, and torch sets those that a file contains.

    Args:
        content: the content of the file.
        where: the file, for messages.

    Raises:
        UnsafeDataError: a mapping has an unknown attribute, or a tensor has one with the name of a method.
    """
    seen: set[int] = set()
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            _check_tensor(value, where)
        if id(value) in seen or not isinstance(value, dict | list | tuple | set):
            continue
        seen.add(id(value))
        attributes = getattr(value, "__dict__", {}) if type(value) in (OrderedDict, Counter) else {}
        if others := [str(name) for name in attributes if name not in KNOWN_ATTRIBUTES]:
            raise UnsafeDataError(
                f"{where}: holds a mapping with an attribute {others[0]!r}, which could hide its entries; it is refused"
            )
        waiting += [*attributes.values(), *_parts(value)]


def check_tree(config: Any, where: str) -> None:
    """Check that a config has a bounded depth and size and does not contain itself.

    A file of a few hundred bytes can hold lists with shared parts that take arbitrarily long to traverse.

    Args:
        config: the config.
        where: the file, for messages.

    Raises:
        UserError: the config is too deep or too large, or contains itself.
    """
    count = 0
    waiting = [iter([config])]
    while waiting:
        value = next(waiting[-1], waiting)
        if value is waiting:
            waiting.pop()
            continue
        count += 1
        if len(waiting) > DEEPEST or count > MOST_ENTRIES:
            raise UserError(
                f"{where}: its config has more than {DEEPEST} levels or {MOST_ENTRIES} entries, or holds itself; no "
                "config is like that, and the file is refused"
            )
        if isinstance(value, dict | list | tuple | set):
            waiting.append(_parts(value))


def _check_tensor(tensor: torch.Tensor, where: str) -> None:
    if hidden := [name for name in vars(tensor) if hasattr(torch.Tensor, name)]:
        raise UnsafeDataError(
            f"{where}: holds a tensor with an attribute {hidden[0]!r}, which could hide its numbers; it is refused"
        )


def _parts(value: Any) -> Iterator[Any]:
    if not isinstance(value, dict):
        return iter(value)
    return (part for pair in dict.items(value) for part in pair)
