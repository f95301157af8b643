"""YAML configs and the overrides of a command line: one reader and one parser for every command.

In a file ``1e-3`` is a text, as YAML 1.1 and fairchem have it: ``1.0e-3`` is a number. Of an override a value is a
Python literal, as fairchem reads it (``1e-3`` is a number there), one of YAML's words (``true``, ``null``), or a list
or block in YAML's notation (``{name: irelu, coefficient: 0.5}``); anything else is a text.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ocp_dc.core.errors import UserError, nearest

# which command takes a file, by the keys that no other kind has
KINDS = {
    "study": ({"arms", "axes", "base", "baseline", "question"}, "a study; `ocp-dc study run` takes it"),
    "pinn": (
        {"task", "network", "sampling", "loss_weights", "as_published"},
        "a physics-informed task; `ocp-dc pinn train` takes it",
    ),
    "run": (
        {"trainer", "model", "dataset", "outputs", "loss_functions", "evaluation_metrics", "logger"},
        "a run config of a potential; `ocp-dc main --config-yml` takes it",
    ),
}
# how files begin that are given in the place of a config
SIGNATURES = {
    b"PK\x03\x04": "a zip archive, such as a checkpoint (.pt) or an npz file",
    b"\x80": "a pickle, such as a checkpoint of an old torch",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a numpy array",
}
MOST_VALUES = 1_000_000  # with aliases written out: 1 kB of YAML can stand for 1e9
_WORDS = re.compile(r"true|false|yes|no|on|off|null|~|[-+]?\.inf|\.nan", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")


class UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, which refuses a key that stands twice in one block."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Return a block as a dict.

        Raises:
            yaml.YAMLError: a key stands twice in it.
        """
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"the key {key!r} stands twice in one block, the second time in line {line}")
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep)


class _OverrideLoader(UniqueKeyLoader):
    """Reads ``1e-3`` as a number within a list or a block too, as it is by itself."""


_OverrideLoader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+0123456789"))


def read_yaml(path: str | Path, expected: str) -> dict[str, Any]:
    """Return the blocks of a YAML file.

    Args:
        path: the file.
        expected: what the file should be, for messages, such as ``a study such as configs/studies/coefficient.yml``.

    Raises:
        UserError: no such file, a folder, a file of another kind, no YAML, a key twice in a block, or no block.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder; expected {expected}")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; expected {expected}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected {expected}") from error
    for signature, kind in SIGNATURES.items():
        if content.startswith(signature):
            raise UserError(f"{path}: is {kind}; expected {expected}")
    try:
        blocks = yaml.load(content.decode("utf-8"), Loader=UniqueKeyLoader)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no text in UTF-8 ({error}); expected {expected}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: is no YAML: {_in_one_line(error)}; expected {expected}") from error
    if not isinstance(blocks, dict):
        got = "nothing" if blocks is None else f"a {type(blocks).__name__}, no blocks,"
        raise UserError(f"{path}: got {got} in it; expected {expected}")
    if _count_values(blocks, {}) > MOST_VALUES:
        raise UserError(f"{path}: its aliases stand for more than {MOST_VALUES} values, or for themselves")
    return blocks


def check_kind(blocks: Mapping[str, Any], kind: str, path: str | Path) -> None:
    """Refuse a file that is meant for another command.

    Args:
        blocks: what the file holds.
        kind: ``run``, ``study`` or ``pinn``.
        path: the file, for the message.

    Raises:
        UserError: its keys are those of another kind; the message names the command that takes it.
    """
    keys = {key for key in blocks if key != "task" or isinstance(blocks[key], str)}  # fairchem's task is a block
    matches = {name: len(known & keys) for name, (known, _) in KINDS.items()}
    likeliest = max(matches, key=lambda name: (matches[name], name == kind))
    if likeliest != kind:
        raise UserError(f"{path}: is {KINDS[likeliest][1]}")


def apply_override(config: dict[str, Any], text: str) -> None:
    """Change a config in place by one override of a command line.

    A block is merged into the block that stands there, key by key, as fairchem does; any other value replaces what
    stands there. Missing blocks on the way are made. Of a list of blocks with one key each, such as fairchem's
    ``loss_functions``, an entry is found by that key or by its number, from 0.

    >>> config = {"loss_functions": [{"forces": {"fn": "mae", "coefficient": 30}}]}
    >>> apply_override(config, "--loss_functions.forces.coefficient=1e2")
    >>> config
    {'loss_functions': [{'forces': {'fn': 'mae', 'coefficient': 100.0}}]}

    Args:
        config: the config.
        text: such as ``--optim.max_epochs=3``.

    Raises:
        UserError: no path or no value, or the path leads through something that is no block.
    """
    path, value = parse_override(text)
    node: Any = config
    for name in path[:-1]:
        block, key = _locate(node, name, text)
        if isinstance(block, dict) and block.get(key) is None:
            block[key] = {}
        node = block[key]
    block, key = _locate(node, path[-1], text)
    old = block.get(key) if isinstance(block, dict) else block[key]
    block[key] = merge(old, value)


def parse_override(text: str) -> tuple[list[str], Any]:
    """Return the path and the value of an override such as ``--optim.max_epochs=3``.

    Raises:
        UserError: it has another form, or its list or block is no YAML.
    """
    dotted, equals, written = text.removeprefix("--").partition("=")
    if not text.startswith("--") or not equals or not all(dotted.split(".")):
        raise UserError(f"override {text!r}: expected such as --optim.lr_initial=1e-3, in one word")
    if not written:
        raise UserError(f"override {text!r}: got nothing behind '=', expected a value; null stands for none")
    if written.startswith("="):
        raise UserError(f"override {text!r}: got '=' twice, expected such as --{dotted}={written.lstrip('=')}")
    return dotted.split("."), parse_value(written, text)


def parse_value(written: str, text: str) -> Any:
    """Return what a value of the command line stands for; see the head of this module.

    Args:
        written: the value.
        text: the whole override, for messages.

    Raises:
        UserError: a list or block that is no YAML.
    """
    with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _as_yaml(ast.literal_eval(written))
    if not written.startswith(("[", "{")) and not _WORDS.fullmatch(written):
        return written
    try:
        return yaml.load(written, Loader=_OverrideLoader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"override {text!r}: the value is no YAML: {_in_one_line(error)}") from error


def _as_yaml(literal: Any) -> Any:
    """Return a Python literal with lists for tuples, which YAML does not have; the config is written as YAML.

    Raises:
        ValueError: it holds something else that YAML does not have: a set, bytes, a complex number.
    """
    if isinstance(literal, dict):
        return {key: _as_yaml(value) for key, value in literal.items()}
    if isinstance(literal, list | tuple):
        return [_as_yaml(value) for value in literal]
    if literal is None or isinstance(literal, bool | int | float | str):
        return literal
    raise ValueError(f"{literal!r} is no value of YAML")


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _locate(node: Any, name: str, text: str) -> tuple[Any, Any]:
    """Return the block or list that holds what ``name`` stands for, and its key or number there."""
    if isinstance(node, dict):
        return node, name
    if not isinstance(node, list):
        raise UserError(f"override {text!r}: {name!r} would stand in {node!r}, which is no block")
    if name.isdecimal():
        if int(name) >= len(node):
            raise UserError(f"override {text!r}: the list has {len(node)} entries, so {name} is none of them (from 0)")
        return node, int(name)
    entries = [entry for entry in node if isinstance(entry, dict) and name in entry]
    if len(entries) == 1:
        return entries[0], name
    if entries:
        raise UserError(
            f"override {text!r}: {len(entries)} entries of the list are named {name!r}; give a number, from 0"
        )
    names = [str(key) for entry in node if isinstance(entry, dict) for key in entry]
    listed = f"its entries are {', '.join(names)}.{nearest(name, names)}" if names else f"it is {node!r}"
    raise UserError(f"override {text!r}: no entry of the list is named {name!r}; {listed}")


def merge(old: Any, new: Any) -> Any:
    """Return ``new`` merged into ``old``: blocks key by key, as fairchem does; any other value replaces the old one."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{key: merge(old.get(key), value) for key, value in new.items()}}


def _count_values(node: Any, counts: dict[int, float]) -> float:
    """Return how many values a tree stands for with its aliases written out; infinite where it contains itself."""
    if not isinstance(node, dict | list):
        return 1
    if id(node) not in counts:
        counts[id(node)] = float("inf")  # as long as it is open
        children = node.values() if isinstance(node, dict) else node
        counts[id(node)] = 1 + sum(_count_values(child, counts) for child in children)
    return counts[id(node)]
