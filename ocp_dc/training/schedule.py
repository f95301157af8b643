"""Learning-rate schedules whose length follows from the number of epochs and the loader."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from torch.optim import lr_scheduler

from ocp_dc.core.errors import unknown_name

# torch schedules that end, and the argument that says when
LENGTHS = {"OneCycleLR": "total_steps", "CosineAnnealingLR": "T_max", "PolynomialLR": "total_iters"}
# base classes, and what takes other schedules or a function, which YAML cannot write
NO_SCHEDULES = ("LRScheduler", "_LRScheduler", "SequentialLR", "ChainedScheduler", "MultiplicativeLR")
HIGHER_IS_BETTER = ("within_threshold", "cosine_similarity")


def scheduler_names() -> list[str]:
    """Return the names that ``optim.scheduler`` may have."""
    known = [
        n for n, v in vars(lr_scheduler).items() if isinstance(v, type) and issubclass(v, lr_scheduler.LRScheduler)
    ]
    return [*(name for name in known if name not in NO_SCHEDULES), "Null"]


def with_length(optim: dict[str, Any], loader: Any) -> dict[str, Any]:
    """Return the ``optim`` block with the schedule's length filled in where the config leaves it out.

    Args:
        optim: the block of the config, in units of steps.
        loader: the training loader, or None where nothing trains, and then there is no schedule.

    Raises:
        UserError: a schedule that torch does not have.
    """
    name = optim.get("scheduler", "LambdaLR")
    if name not in scheduler_names():
        raise unknown_name("optim.scheduler", name, scheduler_names())
    if loader is None:
        return {**optim, "scheduler": "Null"}
    filled = dict(optim)
    if name in LENGTHS:
        filled.setdefault(LENGTHS[name], optim["max_epochs"] * len(loader))
    if name == "OneCycleLR":
        filled.setdefault("max_lr", optim["lr_initial"])
    return filled


def step(scheduler: lr_scheduler.LRScheduler | None) -> None:
    """Move a schedule on by one step; where it has ended, the last learning rate stays.

    ReduceLROnPlateau waits for :func:`step_on`.
    """
    if scheduler is None or isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        return
    if scheduler.last_epoch < getattr(scheduler, "total_steps", float("inf")) - 1:
        scheduler.step()


def step_on(scheduler: lr_scheduler.LRScheduler | None, metric: Any) -> None:
    """Tell ReduceLROnPlateau the metric of a validation; other schedules do not follow it.

    Args:
        scheduler: the schedule.
        metric: a number, or a tensor of one.
    """
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        scheduler.step(metric)


def move_to(scheduler: lr_scheduler.LRScheduler, step: int) -> None:
    """Move a schedule from its start to a step, for a run that goes on with steps of another size.

    ReduceLROnPlateau follows the validations and stays where the optimizer is.
    """
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        return
    for group in scheduler.optimizer.param_groups:  # some schedules multiply the rate that is there
        group["lr"] = group["initial_lr"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")  # the optimizer made its steps before
        for _ in range(min(step, getattr(scheduler, "total_steps", step + 1) - 1)):
            scheduler.step()


def warn_of_other_length(scheduler: lr_scheduler.LRScheduler, saved: Mapping[str, Any]) -> None:
    """Warn where a run goes on with another number of epochs than its schedule was laid out for.

    Args:
        scheduler: the schedule of the config.
        saved: the state of the checkpoint, which is about to replace it.
    """
    for name in LENGTHS.values():
        if name in saved and saved[name] != getattr(scheduler, name, saved[name]):
            after = "trains at its last learning rate after it"
            if name == LENGTHS["CosineAnnealingLR"]:
                after = "its learning rate, a cosine, rises again after it"
            logging.warning(
                f"the schedule of the checkpoint lasts {saved[name]} steps, that of the config "
                f"{getattr(scheduler, name)}: the run goes on with the former, and {after}. --resume-with config lays "
                "it out for the length of the config"
            )


def higher_is_better(metric: str) -> bool:
    """Return whether a metric of fairchem's evaluator is better when higher; errors and the loss are not."""
    return metric.endswith(HIGHER_IS_BETTER)
