"""The JSON Schema of run configs of fairchem 2: the ``dc:`` block, the models, and the keys that are ocp_dc's.

Everything else is hydra's and fairchem's, and is not checked here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fairchem.core.common.registry import registry

from ocp_dc.catalog import MODELS
from ocp_dc.core.arguments import argument_help
from ocp_dc.core.json_schema import (
    Schema,
    any_of,
    argument_schema,
    block,
    choices,
    document,
    nullable,
    options_schema,
    parts_with_alternative,
)
from ocp_dc.fairchem2.config_keys import RunKeys
from ocp_dc.fairchem2.dc_model import DCHydraModel
from ocp_dc.fairchem2.finetune import dc_finetuning_model
from ocp_dc.fairchem2.train.callback import RunCallback
from ocp_dc.surgery.direct_forces import DirectOptions

TARGET = "_target_"
REFERENCE: Schema = {"type": "string", "pattern": r"\$\{|^\?\?\?$"}  # of hydra: ${KEY}, or ??? for a missing value
DC = "what ocp_dc changes in the model; nothing where it is absent"
DEFAULTS = "the configs that this one changes, and _self_"


def run_schema() -> Schema:
    """Return the schema of configs such as ``configs/fairchem2/schnet-dc.yaml``.

    Other top-level keys are allowed, since a config may refer to them.
    """
    callbacks = {"type": "array", "items": _targets({_path(RunCallback): _arguments(RunCallback)})}
    properties = {
        "defaults": {"description": DEFAULTS, "type": "array"},
        **options_schema(RunKeys)["properties"],
        "model": _model(),
        "runner": {"type": "object", "properties": {"callbacks": callbacks}},
    }
    schema = {"type": "object", "properties": properties}
    content = parts_with_alternative(schema, REFERENCE, lambda _: {})
    return document("A run config of ocp_dc with fairchem 2", content)


def _model() -> Schema:
    dc = {"description": DC, **nullable(options_schema(DirectOptions))}
    known = {entry.name: _arguments(registry.get_model_class(entry.name), "model") for entry in MODELS["fairchem2"]}
    name = {"description": "the dotted path of a class", **any_of(choices(known), {"type": "string"})}
    backbone = {
        "type": ["object", "null"],
        "properties": {"model": name},
        "allOf": [_case("model", path, schema) for path, schema in known.items()],
    }
    heads = {"type": ["object", "null"], "additionalProperties": {"type": "object"}}
    parts = {"dc": dc, "backbone": backbone, "heads": heads}
    models = {_path(each): _arguments(each, parts=parts) for each in (DCHydraModel, dc_finetuning_model)}
    return {**_targets(models), "properties": parts}


def _targets(schemas: dict[str, Schema]) -> Schema:
    """Return the schema of a block that hydra makes an object of, for the classes and functions in ``schemas``."""
    return {"type": "object", "allOf": [_case(TARGET, path, schema) for path, schema in schemas.items()]}


def _case(key: str, path: str, schema: Schema) -> Schema:
    return {"if": {"properties": {key: {"const": path}}, "required": [key]}, "then": schema}


def _arguments(made: Any, key: str = TARGET, parts: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of a block with the arguments of a class or a function.

    Args:
        made: the class or the function.
        key: the key of its name.
        parts: schemas of arguments that are blocks.
    """
    parameters = inspect.signature(made).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return {}
    words = argument_help(made, *([made.potential_class] if hasattr(made, "potential_class") else []))
    schemas = {
        name: {
            **({"description": words[name]} if name in words else {}),
            **(parts or {}).get(name, argument_schema(parameter)),
        }
        for name, parameter in parameters.items()
    }
    return block({key: {}, **schemas})


def _path(made: Callable[..., Any]) -> str:
    return f"{made.__module__}.{made.__qualname__}"
