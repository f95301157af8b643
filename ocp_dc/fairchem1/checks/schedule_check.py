"""Check a learning rate schedule: torch must have it, and its arguments must be where the trainer reads them."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.numbers import Number, count
from ocp_dc.fairchem1.checks.known_keys import LAMBDAS, WARMUP, has_own_schedule, is_ours, schedule_arguments
from ocp_dc.training import schedule

RATE = Number(0)
SHARE = Number(0, 1)
# allowed values of the arguments of torch's schedules; torch checks some, and others would fail in the middle of a run
NUMBERS = {
    **dict.fromkeys(("step_size", "step_size_up", "step_size_down", "T_max", "T_0", "T_mult", "total_steps"), count()),
    **dict.fromkeys(("epochs", "steps_per_epoch"), count()),
    **dict.fromkeys(("patience", "cooldown", "total_iters"), count(0)),
    **dict.fromkeys(("gamma", "lr_gamma", "div_factor", "final_div_factor"), Number(0, above=True)),
    **dict.fromkeys(("factor", "start_factor", "end_factor", "pct_start", "base_momentum", "max_momentum"), SHARE),
    **dict.fromkeys(("eta_min", "min_lr", "base_lr", "eps", "threshold", "power", "warmup_factor"), RATE),
    "warmup_steps": Number(),
    "last_epoch": count(-1),
}
# fairchem takes milestones below 100 for the epochs of old configs, and raises an error
MILESTONES = {
    "milestones": count(0, nullable=False),
    "lr_milestones": Number(100, whole=True, nullable=False, unit="steps"),
}
OBJECTS = ("lr_lambda", "schedulers")  # arguments that are functions or schedules, which no config holds


def check_schedule(optim: Mapping[str, Any], trainer: type) -> None:
    """Check the schedule of an ``optim`` block.

    Args:
        optim: the block.
        trainer: the class of the trainer; fairchem's for EquiformerV2 and eSEN read ``scheduler_params``.

    Raises:
        UserError: torch has no such schedule, or an argument is missing or in a place where it is not read.
    """
    name = optim.get("scheduler", "LambdaLR")
    if name is None:
        raise UserError("optim.scheduler: got null; for a constant rate write 'Null' in quotes, as text")
    if name not in schedule.scheduler_names():
        raise unknown_name("optim.scheduler", name, schedule.scheduler_names())
    if has_own_schedule(trainer):
        _check_params(optim, trainer)
    elif "scheduler" in optim:
        _check_arguments(optim, name, trainer)
    else:
        _check_warmup(optim)


def _check_numbers(optim: Mapping[str, Any], names: Iterable[str]) -> None:
    """Check the arguments of a schedule; a list has one value for each group of parameters."""
    for name in names:
        value, path = optim.get(name), f"optim.{name}"
        if name in MILESTONES and name in optim:
            if not isinstance(value, list):
                raise UserError(f"{path}: got {value!r}, expected a list of steps, such as [1000, 2000]")
            for step in value:
                MILESTONES[name].check(step, path)
        elif name in NUMBERS:
            for each in value if isinstance(value, list) else [value]:
                NUMBERS[name].check(each, path)


def _check_warmup(optim: Mapping[str, Any]) -> None:
    """Check fairchem's default schedule; if the warmup ends before the first step, its factor is not needed."""
    steps = optim.get("warmup_steps")
    without = ("warmup_factor",) if isinstance(steps, int) and steps < 0 else ()
    missing = [key for key in WARMUP if key not in optim and key not in without]
    if missing:
        raise UserError(f"optim: fairchem's default schedule needs {', '.join(missing)}; or set scheduler: 'Null'")
    _check_numbers(optim, WARMUP)


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
                "out for warmup and milestones, or use another, such as CosineAnnealingLR"
            )
        raise UserError(f"optim.{key}: missing; {name} needs it")
    _check_numbers(optim, schedule_arguments(name))


def _check_params(optim: Mapping[str, Any], trainer: type) -> None:
    """Check ``scheduler_params``, which the trainers of EquiformerV2 and eSEN read and which counts in epochs."""
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


def check_plateau(config: Mapping[str, Any]) -> None:
    """Warn if ReduceLROnPlateau has the wrong mode for the primary metric, or if there are no validations.

    Args:
        config: the resolved config of a run; its names have been checked.
    """
    optim, metric = config["optim"], (config.get("evaluation_metrics") or {}).get("primary_metric", "loss")
    if optim.get("scheduler") != "ReduceLROnPlateau" or "scheduler_params" in optim:
        return
    mode, better = optim.get("mode", "min"), "max" if schedule.higher_is_better(metric) else "min"
    if mode != better:
        logging.warning(f"optim.mode: {mode} lowers the learning rate while {metric} gets better; expected {better}")
    if not (config["dataset"].get("val") or {}).get("src"):
        logging.warning(
            "optim.scheduler: ReduceLROnPlateau follows the validation metric, and has no effect without dataset.val"
        )
