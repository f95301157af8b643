"""The JSON Schema of the ``model`` block."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping

from fairchem.core.common.registry import registry

from ocp_dc.core.arguments import argument_help
from ocp_dc.core.json_schema import Schema, any_of, argument_schema, block, blocks, choices, nullable, options_schema
from ocp_dc.fairchem1.checks.model_arguments import ELSEWHERE, OURS, valid_numbers
from ocp_dc.fairchem1.wrappers.dc_model import DCModel, all_options

NAME = "a registered name, or the dotted path of a class"


def model_schema() -> Schema:
    """Return the schema of the block; arguments are checked if it names a registered model."""
    registered: Mapping[str, type] = registry.mapping["model_name_mapping"]
    heads = {name: found for name, found in registered.items() if "head" in name}
    backbones = {name: found for name, found in registered.items() if name not in heads}
    models = {name: found for name, found in backbones.items() if "backbone" not in name}
    parts = {
        "backbone": {**_named("model", backbones), "description": "the backbone of a hydra"},
        "heads": {
            **blocks(_named("module", heads, given=("backbone",))),
            "description": "the heads of a hydra, by name",
        },
    }
    schema = _named("name", models, parts)
    every_key = {key: part for each in all_options() for key, part in options_schema(each)["properties"].items()}
    without_name = {"if": {"not": {"required": ["name"]}}, "then": {"properties": {"dc": _dc(block(every_key))}}}
    return {**schema, "allOf": [without_name, *schema["allOf"]]}


def _named(
    key: str, classes: Mapping[str, type], parts: Mapping[str, Schema] | None = None, given: tuple[str, ...] = ()
) -> Schema:
    """Return the schema of a block that names a class and has its arguments.

    Args:
        key: the key of the name.
        classes: the registered classes; any other is named by its dotted path.
        parts: the schemas of arguments that are blocks.
        given: arguments that come from elsewhere.
    """
    names = any_of(choices(sorted(classes)), {"type": "string", "pattern": r"\."})
    cases = [
        {
            "if": {"properties": {key: {"const": name}}, "required": [key]},
            "then": _arguments(found, key, parts or {}, given),
        }
        for name, found in sorted(classes.items())
    ]
    return {"type": "object", "properties": {key: {"description": NAME, **names}}, "allOf": cases}


def _arguments(found: type, key: str, parts: Mapping[str, Schema], given: tuple[str, ...]) -> Schema:
    parameters = {n: p for n, p in inspect.signature(found).parameters.items() if n not in given}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return {}
    schemas = {name: {} if name in ELSEWHERE else _argument(parameter) for name, parameter in parameters.items()}
    if not found.__module__.startswith(OURS):  # only the names are checked
        schemas = dict.fromkeys(parameters, Schema())
    words = argument_help(found)
    schemas = {name: {**({"description": words[name]} if name in words else {}), **s} for name, s in schemas.items()}
    schemas |= {name: parts[name] for name in parts if name in schemas}
    if issubclass(found, DCModel):
        schemas["dc"] = _dc(options_schema(found.dc_options_class))
    return block({key: {}, **schemas})


def _argument(parameter: inspect.Parameter) -> Schema:
    return argument_schema(parameter, functools.partial(valid_numbers, parameter))


def _dc(options: Schema) -> Schema:
    words = "what ocp_dc changes in the model; nothing where it is absent"
    return {"description": words, **nullable(options)}
