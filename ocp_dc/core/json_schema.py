"""JSON Schema (draft 07) of options: by it an editor checks, completes and explains a YAML config.

:func:`ocp_dc.core.options.option` declares types, defaults, documentation and valid values; nothing is repeated here.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ocp_dc.core.arguments import kinds_of
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import write_text
from ocp_dc.core.numbers import Number

Schema = dict[str, Any]
SHORT = 150  # characters of a schema that is not worth a definition
DRAFT = "http://json-schema.org/draft-07/schema#"
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_KINDS = {"bool": "boolean", "str": "string", "dict": "object", "list": "array", "none": "null"}


def document(title: str, schema: Schema) -> Schema:
    """Return the schema of a whole file, in which schemas that occur more than once are definitions.

    Args:
        title: what the file is.
        schema: the schema of its content.
    """
    counts: Counter[str] = Counter()

    def count(part: Schema) -> Schema:
        counts[text := json.dumps(part)] += 1
        return map_parts(part, count) if counts[text] == 1 else part

    definitions: dict[str, Schema] = {}
    names: dict[str, str] = {}

    def replace(part: Schema) -> Schema:
        text = json.dumps(part)
        if counts[text] == 1 or len(text) < SHORT:
            return map_parts(part, replace)
        if text not in names:
            names[text] = f"shared{len(names) + 1}"
            definitions[names[text]] = map_parts(part, replace)
        return {"$ref": f"#/definitions/{names[text]}"}

    map_parts(schema, count)
    content = map_parts(schema, replace)
    return {"$schema": DRAFT, "title": title, **content, **({"definitions": definitions} if definitions else {})}


def map_parts(
    schema: Schema, change: Callable[[Schema], Schema], change_same: Callable[[Schema], Schema] | None = None
) -> Schema:
    """Return a schema with each of the schemas directly in it changed.

    Args:
        schema: the schema.
        change: changes the schemas of the parts of a value: entries of lists and blocks.
        change_same: changes those of the value itself, as in ``anyOf``; None for the same as ``change``.
    """
    change_same = change_same or change
    result = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = change(result[key])
    if "properties" in result:
        result["properties"] = {name: change(part) for name, part in result["properties"].items()}
    for key in ("anyOf", "allOf"):
        if key in result:
            result[key] = [change_same(part) for part in result[key]]
    for key in ("then", "else"):
        if key in result:
            result[key] = change_same(result[key])
    return result


def with_alternative(schema: Schema, condition: Schema, alternative: Callable[[Schema], Schema]) -> Schema:
    """Return a schema in which the value, and each part of it, may also be something else, such as a reference.

    Unlike ``anyOf`` this leaves errors where they are.

    Args:
        schema: the schema of the value.
        condition: the schema by which the alternative is recognized.
        alternative: returns the schema of the alternative, given that of the value.
    """
    words = {key: part for key, part in schema.items() if key in ("description", "default")}
    inner = {key: part for key, part in schema.items() if key not in words}
    inner = parts_with_alternative(inner, condition, alternative)
    if not inner:  # any value, so also the alternative
        return schema
    return {**words, "if": condition, "then": alternative(inner), "else": inner}


def parts_with_alternative(schema: Schema, condition: Schema, alternative: Callable[[Schema], Schema]) -> Schema:
    """Return the schema of :func:`with_alternative` for the parts of a value only."""
    return map_parts(
        schema,
        lambda part: with_alternative(part, condition, alternative),
        lambda same: parts_with_alternative(same, condition, alternative),
    )


def options_schema(cls: type) -> Schema:
    """Return the schema of a block of options.

    Args:
        cls: a dataclass whose fields were made by :func:`ocp_dc.core.options.option`.
    """
    hints = get_type_hints(cls)
    return block({field.name: _field_schema(field, hints[field.name]) for field in dataclasses.fields(cls)})


def first_line(documented: type) -> str:
    """Return the first line of a docstring as a description."""
    return (documented.__doc__ or "").partition("\n")[0].rstrip(".")


def block(properties: Mapping[str, Schema]) -> Schema:
    """Return the schema of a block that has no other keys than these."""
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def blocks(entry: Schema) -> Schema:
    """Return the schema of a block with keys of any name, all of the same kind."""
    return {"type": "object", "additionalProperties": entry}


def any_of(*schemas: Schema) -> Schema:
    """Return the schema of values that fit one of several."""
    return schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}


def choices(names: Iterable[Any]) -> Schema:
    """Return the schema of a value that is one of a few."""
    return {"enum": list(names)}


def nullable(schema: Schema) -> Schema:
    """Return a schema that also takes null."""
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return any_of(*schema.get("anyOf", [schema]), {"type": "null"})


def number_schema(number: Number) -> Schema:
    """Return the schema of a number."""
    schema: Schema = {"type": "integer" if number.whole else "number"}
    if math.isfinite(number.least):
        schema["exclusiveMinimum" if number.above else "minimum"] = number.least
    if math.isfinite(number.most):
        schema["exclusiveMaximum" if number.below else "maximum"] = number.most
    return nullable(schema) if number.nullable else schema


def argument_schema(parameter: inspect.Parameter, number: Callable[[bool], Number] = lambda whole: Number()) -> Schema:
    """Return the schema of an argument of a class, by its annotation and its default.

    Args:
        parameter: the argument.
        number: returns its valid numbers, for whole ones or for all.
    """
    default, kinds = parameter.default, kinds_of(parameter)
    words = {"default": default} if isinstance(default, bool | int | float | str) else {}
    if not kinds:
        return words
    schemas = [{"type": _KINDS[kind]} for kind in dict.fromkeys(kinds) if kind in _KINDS]
    if {"int", "float"} & set(kinds):
        whole = "float" not in kinds  # a whole number is a float, too
        schemas.insert(0, number_schema(dataclasses.replace(number(whole), whole=whole, nullable=False)))
    return {**words, **any_of(*schemas)}


def _field_schema(field: dataclasses.Field[Any], hint: Any) -> Schema:
    data = field.metadata
    if data["schema"] is not None:
        schema = dict(data["schema"])
    elif data["number"] is not None:
        schema = number_schema(data["number"])
    elif data["choices"] is not None:
        schema = choices(data["choices"])
    else:
        schema = _hint_schema(hint, data["block"])
    described = {"description": data["help"], **schema}
    if field.default is not None:
        described["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
    return described


def _hint_schema(hint: Any, options: type | None) -> Schema:
    """Return the schema of a type hint.

    Args:
        hint: made of texts, numbers, lists, blocks and None.
        options: the dataclass of the blocks whose values the hint leaves open.
    """
    if get_origin(hint) in (Union, UnionType):
        members = [_hint_schema(member, options) for member in get_args(hint) if member is not NoneType]
        return nullable(any_of(*members)) if NoneType in get_args(hint) else any_of(*members)
    kind, arguments = get_origin(hint) or hint, get_args(hint)
    if kind is Mapping and options is not None and arguments[1] is Any:
        return options_schema(options)
    if kind is Mapping:
        return blocks(_hint_schema(arguments[1], options))
    if kind is Sequence:
        return {"type": "array", "items": _hint_schema(arguments[0], options)}
    return {} if kind is Any else {"type": _TYPES[kind]}


def write_schema(path: Path, schema: Schema) -> None:
    """Write the schema of a file.

    Args:
        path: the file to write; an older schema with the same title is replaced.
        schema: the schema, from :func:`document`.

    Raises:
        UserError: there is another file in this place.
    """
    if path.exists() and not _has_title(path, schema["title"]):
        raise UserError(f"{path}: exists, and is not an older schema of this kind; choose another name")
    write_text(path, json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


def _has_title(path: Path, title: str) -> bool:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("title") == title
