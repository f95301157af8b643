"""Check the ``optim`` block: schedule, optimizer and numbers."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any

import torch
from fairchem.core.trainers import OCPTrainer

from ocp_dc.core.errors import UserError, bad_value, unknown_name
from ocp_dc.core.numbers import Number, yaml_hint
from ocp_dc.core.options import check_keys
from ocp_dc.fairchem1.checks.known_keys import is_ours
from ocp_dc.fairchem1.checks.optim_trial import try_optim
from ocp_dc.fairchem1.checks.schedule_check import check_schedule
from ocp_dc.fairchem1.checks.value_check import check_optim_numbers
from ocp_dc.training.extension import Extension
from ocp_dc.training.learning_rates import check_factors


def check_optim(optim: Mapping[str, Any], trainer: type = OCPTrainer) -> None:
    """Check the names, the numbers, the schedule and the optimizer of the ``optim`` block.

    Args:
        optim: the block.
        trainer: the class of the trainer that reads it.

    Raises:
        UserError: torch does not have a name, a key is missing, or a value is of the wrong kind.
    """
    check_schedule(optim, trainer)
    if optim.get("optimizer", "AdamW") not in optimizer_names():
        raise unknown_name("optim.optimizer", optim["optimizer"], optimizer_names())
    _check_optimizer(optim, trainer)
    for key in ("lr_initial", "max_epochs"):
        if key not in optim:
            raise UserError(f"optim.{key}: missing")
    check_optim_numbers(optim)
    if optim.get("ema_decay") and optim.get("swa_start") is not None:
        raise UserError(
            f"optim.swa_start: got {optim['swa_start']} together with ema_decay: {optim['ema_decay']}, but a run has "
            "one average of the weights; remove one of them"
        )
    check_factors(optim)
    Extension.from_block(optim.get("extension"), "optim.extension")
    try_optim(optim, fills_length=is_ours(trainer))


def optimizer_names() -> list[str]:
    """Return the names that ``optim.optimizer`` may have."""
    return [name for name, value in vars(torch.optim).items() if isinstance(value, type) and name != "Optimizer"]


def _check_optimizer(optim: Mapping[str, Any], trainer: type) -> None:
    """Check the arguments of the optimizer, and that ``weight_decay: 0`` takes effect.

    Fairchem's trainers ignore that 0 and train with the optimizer's default: with them this is only a warning.
    """
    name, given = optim.get("optimizer", "AdamW"), optim.get("optimizer_params") or {}
    known = dict(inspect.signature(getattr(torch.optim, name)).parameters)
    check_keys(given, [key for key in known if key not in ("params", "lr")], f"optim.optimizer_params ({name})")
    for key, value in given.items():
        if isinstance(known[key].default, bool) and not isinstance(value, bool):
            raise UserError(f"optim.optimizer_params.{key}: got {value!r}, expected true or false")
        if isinstance(known[key].default, tuple):
            _check_pair(value, known[key].default, f"optim.optimizer_params.{key}")
        elif isinstance(known[key].default, float) and not isinstance(value, str):
            Number(nullable=False).check(value, f"optim.optimizer_params.{key}")
        if isinstance(value, str):
            raise bad_value(f"optim.optimizer_params.{key}", value, "a number", mend=yaml_hint(value))
    instead = given.get("weight_decay", known["weight_decay"].default if "weight_decay" in known else 0)
    if optim.get("weight_decay") == 0 and instead != 0:
        message = (
            f"optim.weight_decay: fairchem ignores a value of 0, and {name} would use {instead}; write "
            "optimizer_params: {weight_decay: 0}"
        )
        if is_ours(trainer):
            raise UserError(message)
        logging.warning(message)


def _check_pair(value: Any, default: tuple[float, ...], path: str) -> None:
    """Check a tuple of numbers, such as ``betas``."""
    if not isinstance(value, list | tuple) or len(value) != len(default):
        raise UserError(f"{path}: got {value!r}, expected {len(default)} numbers, such as {list(default)}")
    for each in value:
        Number(nullable=False).check(each, path)
