"""The JSON Schema of the ``optim`` block."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import torch

from ocp_dc.core.json_schema import Schema, any_of, block, blocks, choices, nullable, number_schema
from ocp_dc.core.numbers import Number
from ocp_dc.fairchem1.checks import known_keys, schedule_check, value_check
from ocp_dc.fairchem1.checks.name_check import BALANCING, BALANCING_ON_ERROR
from ocp_dc.fairchem1.checks.optim_check import optimizer_names
from ocp_dc.fairchem1.schemas.blocks import block_of, switches
from ocp_dc.training.learning_rates import FACTOR
from ocp_dc.training.schedule import scheduler_names

NUMBER = Number(nullable=False)


def optim_schema() -> Schema:
    """Return the schema of the block; the arguments of an optimizer are checked if the block names one."""
    every = {**known_keys.OPTIM_KEYS, **known_keys.OUR_OPTIM}
    idle = dict.fromkeys([*known_keys.WARMUP, *known_keys.DENOISING, "scheduler_params"], "")
    arguments = {name: "" for schedule in scheduler_names() for name in known_keys.schedule_arguments(schedule)}
    numbers = {key: number_schema(number) for key, number in value_check.OPTIM.items()}
    schema = block_of(
        {**idle, **arguments, **known_keys.OLD_OPTIM, **every},
        {
            **{key: _one_or_several(number) for key, number in schedule_check.NUMBERS.items()},
            **{key: _list_of(number) for key, number in schedule_check.MILESTONES.items()},
            **numbers,
            **switches("optim"),
            "max_lr": _one_or_several(value_check.OPTIM["max_lr"]),
            "lr_factors": nullable(blocks(number_schema(FACTOR))),
            "optimizer": choices(optimizer_names()),
            "optimizer_params": {"type": ["object", "null"]},
            "scheduler": choices(scheduler_names()),
            "scheduler_params": {"type": ["object", "null"]},
            "checkpoint_format": choices(value_check.FORMATS),
            "checkpoint_every": any_of(choices([-1]), number_schema(Number(1, whole=True, nullable=False))),
            "load_balancing": choices([*BALANCING, None]),
            "load_balancing_on_error": choices([*BALANCING_ON_ERROR, None]),
        },
    )
    cases = [
        {
            "if": {"properties": {"optimizer": {"const": name}}, "required": ["optimizer"]},
            "then": {"properties": {"optimizer_params": nullable(_optimizer_params(name))}},
        }
        for name in optimizer_names()
    ]
    return {**schema, "allOf": cases}


def _optimizer_params(name: str) -> Schema:
    parameters: Mapping[str, inspect.Parameter] = inspect.signature(getattr(torch.optim, name)).parameters
    return block({key: _argument(each) for key, each in parameters.items() if key not in ("params", "lr")})


def _argument(parameter: inspect.Parameter) -> Schema:
    default = parameter.default
    if isinstance(default, bool):
        return {"type": "boolean", "default": default}
    if isinstance(default, tuple):
        pair = {"type": "array", "items": {"type": "number"}, "minItems": len(default), "maxItems": len(default)}
        return {**pair, "default": list(default)}
    if isinstance(default, int | float):
        return {"type": "number", "default": default}
    return {"not": {"type": "string"}}


def _one_or_several(number: Number) -> Schema:
    """Return the schema of a number, or of one for each group of parameters."""
    return any_of(number_schema(number), _list_of(number))


def _list_of(number: Number) -> Schema:
    return {"type": "array", "items": number_schema(number)}
