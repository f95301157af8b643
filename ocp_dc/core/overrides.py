"""Change a config by dotted paths: by the overrides of a command line, or by setting one path.

The value of an override is a Python literal, as fairchem reads it (``1e-3`` is a number), one of YAML's words
(``true``, ``null``), or a list or block in YAML's notation (``{name: irelu, coefficient: 0.5}``); anything else is a
text.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.core.yaml_config import UniqueKeyLoader, in_one_line

_WORDS = re.compile(r"true|false|yes|no|on|off|null|~|[-+]?\.inf|\.nan", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")


class _OverrideLoader(UniqueKeyLoader):
    """A loader that reads ``1e-3`` as a number within a list or a block too."""


_OverrideLoader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+0123456789"))


def apply_override(config: dict[str, Any], text: str) -> None:
    """Change a config in place by one override of a command line.

    A block is merged into an existing block, key by key, as fairchem does; any other value replaces the old one.
    The path is followed as by :func:`set_path`.

    >>> config = {"loss_functions": [{"forces": {"fn": "mae", "coefficient": 30}}]}
    >>> apply_override(config, "--loss_functions.forces.coefficient=1e2")
    >>> config
    {'loss_functions': [{'forces': {'fn': 'mae', 'coefficient': 100.0}}]}

    Args:
        config: the config.
        text: such as ``--optim.max_epochs=3``.

    Raises:
        UserError: the path or the value is missing, or the path leads through something that is not a block.
    """
    path, value = parse_override(text)
    set_path(config, path, value, f"override {text!r}", merge=True)


def set_path(config: dict[str, Any], path: Sequence[str], value: Any, where: str, *, merge: bool = False) -> None:
    """Set a value of a config in place.

    Missing blocks are created. In a list of blocks with one key each, such as fairchem's ``loss_functions``, a name
    selects an entry by that key or by its number, from 0.

    Args:
        config: the config.
        path: names of the blocks and of the key, such as ``["optim", "max_epochs"]``.
        value: the new value.
        where: the change, for messages, for example ``"override '--optim.max_epochs=3'"``.
        merge: merge a block into an existing one instead of replacing it.

    Raises:
        UserError: the path leads through something that is not a block, or a name matches no or several entries.
    """
    node: Any = config
    for name in path[:-1]:
        block, key = _locate(node, name, where)
        if isinstance(block, dict) and block.get(key) is None:
            block[key] = {}
        node = block[key]
    block, key = _locate(node, path[-1], where)
    old = block.get(key) if isinstance(block, dict) else block[key]
    block[key] = merged(old, value) if merge else value


def merged(old: Any, new: Any) -> Any:
    """Return ``new``; if both are blocks, return ``old`` with the keys of ``new`` merged in, at any depth."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}


def parse_override(text: str) -> tuple[list[str], Any]:
    """Return the path and the value of an override such as ``--optim.max_epochs=3``.

    Raises:
        UserError: the text has another form, or its list or block is not YAML.
    """
    dotted, equals, written = text.removeprefix("--").partition("=")
    if not text.startswith("--") or not equals or not all(dotted.split(".")):
        raise UserError(f"override {text!r}: expected such as --optim.lr_initial=1e-3, in one word")
    if not written:
        raise UserError(f"override {text!r}: got nothing after '=', expected a value; null is a value")
    if written.startswith("="):
        raise UserError(f"override {text!r}: got '=' twice, expected such as --{dotted}={written.lstrip('=')}")
    return dotted.split("."), _parse_value(written, text)


def _parse_value(written: str, text: str) -> Any:
    with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _as_yaml(ast.literal_eval(written))
    if not written.startswith(("[", "{")) and not _WORDS.fullmatch(written):
        return written
    try:
        return yaml.load(written, Loader=_OverrideLoader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"override {text!r}: the value is not YAML: {in_one_line(error)}") from error


def _as_yaml(literal: Any) -> Any:
    """Return a Python literal with lists for tuples, which YAML does not have; the config is written as YAML.

    Raises:
        ValueError: it holds another type that YAML does not have: a set, bytes, a complex number.
    """
    if isinstance(literal, dict):
        return {key: _as_yaml(value) for key, value in literal.items()}
    if isinstance(literal, list | tuple):
        return [_as_yaml(value) for value in literal]
    if literal is None or isinstance(literal, bool | int | float | str):
        return literal
    raise ValueError(f"{literal!r} is not a value of YAML")


def _locate(node: Any, name: str, where: str) -> tuple[Any, Any]:
    """Return the block or list that holds the entry ``name``, and the key or number of the entry there."""
    if isinstance(node, dict):
        return node, name
    if not isinstance(node, list):
        raise UserError(f"{where}: cannot set {name!r} in {node!r}, which is not a block; check the path")
    if name.isdecimal():
        if int(name) >= len(node):
            raise UserError(f"{where}: the list has {len(node)} entries, and none of the number {name} (from 0)")
        return node, int(name)
    entries = [entry for entry in node if isinstance(entry, dict) and name in entry]
    if len(entries) == 1:
        return entries[0], name
    if entries:
        raise UserError(f"{where}: {len(entries)} entries of the list are named {name!r}; give a number, from 0")
    names = [str(key) for entry in node if isinstance(entry, dict) for key in entry]
    listed = f"its entries are {', '.join(names)}.{nearest(name, names)}" if names else f"it is {node!r}"
    raise UserError(f"{where}: no entry of the list is named {name!r}; {listed}")
