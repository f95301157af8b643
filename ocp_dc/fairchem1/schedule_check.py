"""Checks of a schedule of learning rates: that torch has it, and that what it needs is where its trainer reads it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ocp_dc.errors import UserError, unknown_name
from ocp_dc.fairchem1 import schedule
from ocp_dc.fairchem1.known_keys import LAMBDAS, WARMUP, has_own_schedule, is_ours, schedule_arguments

OBJECTS = ("lr_lambda", "schedulers")  # arguments that are functions or schedules, which no config holds


def check_schedule(optim: Mapping[str, Any], trainer: type) -> None:
    """Check the schedule of an ``optim`` block.

    Args:
        optim: the block.
        trainer: the class of the trainer; fairchem's for EquiformerV2 and eSEN read ``scheduler_params``.

    Raises:
        UserError: torch has no such schedule, or something that it needs is missing or stands where nothing reads it.
    """
    name = optim.get("scheduler", "LambdaLR")
    if name not in schedule.scheduler_names():
        raise unknown_name("optim.scheduler", name, schedule.scheduler_names())
    if has_own_schedule(trainer):
        _check_params(optim, trainer)
    elif "scheduler" in optim:
        _check_arguments(optim, name, trainer)
    else:
        _check_warmup(optim)


def _check_warmup(optim: Mapping[str, Any]) -> None:
    """Check fairchem's own schedule; where the warmup ends before the first step, its factor is never read."""
    steps = optim.get("warmup_steps")
    without = ("warmup_factor",) if isinstance(steps, int) and steps < 0 else ()
    missing = [key for key in WARMUP if key not in optim and key not in without]
    if missing:
        raise UserError(f"optim: fairchem's default schedule needs {', '.join(missing)}; or set scheduler: 'Null'")


def _check_arguments(optim: Mapping[str, Any], name: str, trainer: type) -> None:
    filled = (*schedule.LENGTHS.values(), "max_lr") if is_ours(trainer) else ()
    if is_ours(trainer) and "scheduler_params" in optim:
        raise UserError(
            "optim.scheduler_params: trainer 'dc' does not read it. Write the arguments of the schedule beside "
            "optim.scheduler, or leave both out and give warmup_steps, warmup_factor, lr_gamma and lr_milestones"
        )
    for key, parameter in schedule_arguments(name).items():
        if parameter.default is not inspect.Parameter.empty or key in optim or key in filled:
            continue
        if key in OBJECTS:
            raise UserError(
                f"optim.scheduler: {name} takes functions or other schedules, which no config can hold. Leave the key "
                "out for warmup and milestones, or take another, such as CosineAnnealingLR"
            )
        raise UserError(f"optim.{key}: missing; {name} needs it")


def _check_params(optim: Mapping[str, Any], trainer: type) -> None:
    """Check what the trainers of EquiformerV2 and eSEN need, which count in epochs."""
    path, params = "optim.scheduler_params", optim.get("scheduler_params")
    if params is None:
        raise UserError(f"{path}: missing; {trainer.__name__} reads its schedule there")
    if not isinstance(params, Mapping):
        raise UserError(f"{path}: got {params!r}, expected a block; {trainer.__name__} reads its schedule there")
    if "scheduler" not in optim:
        raise UserError(f"optim.scheduler: missing; {trainer.__name__} needs it, for example LambdaLR")
    if optim["scheduler"] != "LambdaLR":
        needed = [
            key for key, p in schedule_arguments(optim["scheduler"]).items() if p.default is inspect.Parameter.empty
        ]
    elif params.get("lambda_type") in LAMBDAS:
        needed = list(LAMBDAS[params["lambda_type"]])
    else:
        raise unknown_name(f"{path}.lambda_type", params.get("lambda_type"), LAMBDAS)
    missing = [key for key in needed if key not in params]
    if missing:
        raise UserError(f"{path}: {', '.join(missing)} missing; {optim['scheduler']} needs it")
