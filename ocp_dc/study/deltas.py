"""Changes of a config: dotted paths and what stands there afterwards."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ocp_dc.core.errors import UserError


def changed(config: Mapping[str, Any], changes: Mapping[str, Any] | None, path: str) -> dict[str, Any]:
    """Return a copy of a config with changes made.

    What a path names is replaced whole; missing blocks on the way are made. A list of blocks with one key each, as
    fairchem's ``loss_functions``, is walked by that key: ``loss_functions.forces.coefficient``.

    >>> changed({"model": {"name": "dc_schnet"}}, {"model.dc.region": "full"}, "arms.full")
    {'model': {'name': 'dc_schnet', 'dc': {'region': 'full'}}}

    Args:
        config: the config; it stays as it is.
        changes: values by dotted path.
        path: where the changes stand in the study, for messages.

    Raises:
        UserError: the changes are no mapping of texts, or a path leads through something that is no block.
    """
    if changes is None:
        changes = {}
    if not isinstance(changes, Mapping) or not all(isinstance(key, str) for key in changes):
        raise UserError(f"{path}: got {changes!r}, expected changes such as {{model.dc.region: output}}")
    result: dict[str, Any] = copy.deepcopy(dict(config))
    for dotted, value in changes.items():
        if not all(dotted.split(".")):
            raise UserError(f"{path}: got the key {dotted!r}, expected a path such as model.dc.region")
        _put(result, dotted, copy.deepcopy(value), f"{path}.{dotted}")
    return result


def _put(node: Any, dotted: str, value: Any, path: str) -> None:
    *way, last = dotted.split(".")
    for key in way:
        node = _step(node, key, path)
    node = _block(node, last, path)
    node[last] = value


def _step(node: Any, key: str, path: str) -> Any:
    node = _block(node, key, path)
    if node.get(key) is None:
        node[key] = {}
    return node[key]


def _block(node: Any, key: str, path: str) -> dict[str, Any]:
    """Return the block that holds ``key``: the node itself, or the entry of a list that has it."""
    found = _in_list(node, key) if isinstance(node, list) else node
    if not isinstance(found, dict):
        raise UserError(f"{path}: {key!r} would stand in {node!r}, which is no block; check the path of the change")
    return found


def _in_list(node: list[Any], key: str) -> Any:
    return next((entry for entry in node if isinstance(entry, dict) and key in entry), None)
