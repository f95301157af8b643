"""Learning-rate schedules, with the length computed from the number of epochs and the loader."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from torch.optim import lr_scheduler

from ocp_dc.core.errors import unknown_name
from ocp_dc.training.extension import ExtendedSchedule, is_extended

# torch schedules that end, and the argument with their length
LENGTHS = {"OneCycleLR": "total_steps", "CosineAnnealingLR": "T_max", "PolynomialLR": "total_iters"}
# base classes, and schedules that take other schedules or a function, which YAML cannot express
NO_SCHEDULES = ("LRScheduler", "_LRScheduler", "SequentialLR", "ChainedScheduler", "MultiplicativeLR")
HIGHER_IS_BETTER = ("within_threshold", "cosine_similarity")


def scheduler_names() -> list[str]:
    """Return the names that ``optim.scheduler`` may have."""
    known = [
        n for n, v in vars(lr_scheduler).items() if isinstance(v, type) and issubclass(v, lr_scheduler.LRScheduler)
    ]
    return [*(name for name in known if name not in NO_SCHEDULES), "Null"]


def with_length(optim: dict[str, Any], loader: Any) -> dict[str, Any]:
    """Return the ``optim`` block with the length of the schedule filled in if the config omits it.

    Args:
        optim: the block of the config, in units of steps.
        loader: the training loader; None without training, when no schedule is needed.

    Raises:
        UserError: torch has no such schedule.
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
    """Advance a schedule by one step; after its end the learning rate remains at its last value.

    ReduceLROnPlateau is left to :func:`step_on_metric`.
    """
    if scheduler is None or isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        return
    if scheduler.last_epoch < getattr(scheduler, "total_steps", float("inf")) - 1:
        scheduler.step()


def step_on_metric(scheduler: lr_scheduler.LRScheduler | None, metric: Any) -> None:
    """Pass the metric of a validation to ReduceLROnPlateau; do nothing for other schedules.

    Args:
        scheduler: the schedule.
        metric: a number, or a tensor with one element.
    """
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        scheduler.step(metric)


def move_to(scheduler: lr_scheduler.LRScheduler, step: int) -> None:
    """Advance a schedule from its start to a step, for a run that resumes with another number of steps per epoch.

    ReduceLROnPlateau follows the validations, so it is left as it is.
    """
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        return
    for group in scheduler.optimizer.param_groups:  # some schedules multiply the current rate
        group["lr"] = group["initial_lr"]
    with warnings.catch_warnings():
        # the optimizer has made no step here
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
        for _ in range(min(step, getattr(scheduler, "total_steps", step + 1) - 1)):
            scheduler.step()


def loaded(
    scheduler: lr_scheduler.LRScheduler, saved: Mapping[str, Any], warns: bool = True
) -> lr_scheduler.LRScheduler:
    """Return a schedule in the state of a checkpoint: the given one, or that of an extended run.

    Args:
        scheduler: the schedule of the config.
        saved: the checkpoint's state of the schedule.
        warns: whether to warn if the config has another length.
    """
    if is_extended(saved):
        return ExtendedSchedule.resumed(scheduler.optimizer, saved)
    if warns:
        warn_of_other_length(scheduler, saved)
    scheduler.load_state_dict(dict(saved))
    return scheduler


def warn_of_other_length(scheduler: lr_scheduler.LRScheduler, saved: Mapping[str, Any]) -> None:
    """Warn if a run resumes with another number of epochs than that of the schedule in its checkpoint.

    Args:
        scheduler: the schedule of the config.
        saved: the checkpoint's state of the schedule, which is about to replace that of the config.
    """
    for name in LENGTHS.values():
        if name in saved and saved[name] != getattr(scheduler, name, saved[name]):
            after = "trains at its last learning rate after it"
            if name == LENGTHS["CosineAnnealingLR"]:
                after = "its learning rate, a cosine, rises again after it"
            logging.warning(
                f"the schedule of the checkpoint lasts {saved[name]} steps, that of the config "
                f"{getattr(scheduler, name)}: the run continues with the former, and {after}. --resume-with config "
                "lays it out for the length of the config"
            )


def higher_is_better(metric: str) -> bool:
    """Return whether higher values of a metric of fairchem's evaluator are better; False for errors and the loss."""
    return metric.endswith(HIGHER_IS_BETTER)
