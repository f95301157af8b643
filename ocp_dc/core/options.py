"""Blocks of options of a config: a dataclass is the only source of names, types, defaults and documentation."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ocp_dc.core.errors import UserError, bad_value, nearest
from ocp_dc.core.numbers import Number

T = TypeVar("T")
# types that :func:`check_containers` checks, in words
_KINDS: dict[type, str] = {Mapping: "a block", Sequence: "a list", str: "a text", NoneType: ""}


def option(
    default: Any,
    *,
    help: str,
    choices: Iterable[str] | None = None,
    number: Number | None = None,
    block: type | None = None,
    schema: Mapping[str, Any] | None = None,
) -> Any:
    """Declare one option as a dataclass field.

    Args:
        default: the value if the config has none.
        help: one line of documentation: meaning and unit.
        choices: the valid texts, if only these are valid.
        number: the valid numbers, if the value is one.
        block: the dataclass of the options in a block that the type hint leaves open, for the JSON Schema.
        schema: the JSON Schema of the value, if the type hint says too little.
    """
    texts = None if choices is None else tuple(choices)
    metadata = {"help": help, "choices": texts, "number": number, "block": block, "schema": schema}
    return dataclasses.field(default=default, metadata=metadata)


def parse(cls: type[T], block: Mapping[str, Any] | None, path: str) -> T:
    """Build the options dataclass ``cls`` from a config block.

    Args:
        cls: a dataclass whose fields were made by :func:`option`.
        block: the block of the config, or None for an absent one.
        path: the place of the block in the config, for messages, for example ``"model.dc"``.

    Raises:
        UserError: the block is not a mapping, has an unknown key, a value outside its choices or numbers, or a value
            other than true or false although the default is one of them.
    """
    if block is None:
        block = {}
    if not isinstance(block, Mapping):
        raise bad_value(path, block, f"a block of options ({', '.join(_names(cls))})")
    check_keys(block, _names(cls), path)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        choices = field.metadata.get("choices")
        value = block.get(field.name, field.default)
        if choices is not None and field.name in block and value not in choices:
            raise bad_value(f"{path}.{field.name}", value, f"one of {', '.join(choices)}", names=choices)
        if isinstance(field.default, bool) and not isinstance(value, bool):
            raise bad_value(f"{path}.{field.name}", value, "true or false")
        if (number := field.metadata.get("number")) is not None and field.name in block:
            number.check(value, f"{path}.{field.name}")
    return cls(**block)


def check_keys(block: Mapping[str, Any], known: Iterable[str], path: str) -> None:
    """Check that a block of a config has known keys only.

    Args:
        block: the block of the config.
        known: the valid keys.
        path: the place of the block, for the message.

    Raises:
        UserError: a key is unknown; the message names the nearest one.
    """
    known = sorted(known)
    for key in block:
        if key not in known:
            raise UserError(f"{path}: unknown key {key!r}; expected {', '.join(known)}.{nearest(key, known)}")


def check_containers(cls: type, block: Mapping[str, Any], path: str) -> None:
    """Check that options are blocks and lists as their type hints require, at any depth.

    Args:
        cls: a dataclass of options; hints made of ``Mapping``, ``Sequence``, ``str`` and ``None`` are checked.
        block: the block of the config.
        path: the place of the block, for messages.

    Raises:
        UserError: a value has another type; the message names its path.
    """
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if field.name in block:
            _check_container(block[field.name], hints[field.name], f"{path}.{field.name}", field.metadata["help"])


def _check_container(value: Any, hint: Any, path: str, help: str) -> None:
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [get_origin(member) or member for member in members]
    if not set(kinds) <= _KINDS.keys():
        return  # numbers are checked elsewhere
    for member, kind in zip(members, kinds, strict=True):
        if isinstance(value, kind) and (kind is str or not isinstance(value, str)):
            if kind is Mapping:
                for key, entry in value.items():
                    _check_container(entry, get_args(member)[1], f"{path}.{key}", help)
            elif kind is Sequence:
                for number, entry in enumerate(value):
                    _check_container(entry, get_args(member)[0], f"{path}[{number}]", help)
            return
    expected = " or ".join(words for kind, words in _KINDS.items() if kind in kinds and words)
    raise bad_value(path, value, f"{expected} ({help})")


def documentation(cls: type) -> str:
    """Return one line per option: name, default and meaning."""
    return "\n".join(
        f"{field.name} (default: {field.default}): {field.metadata['help']}" for field in dataclasses.fields(cls)
    )


def _names(cls: type) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]
