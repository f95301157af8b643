"""More epochs for a finished run: a second, lower cycle of the learning rate."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping
from typing import Any, TypeGuard

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau

from ocp_dc.core.errors import UserError, bad_value
from ocp_dc.core.numbers import Number
from ocp_dc.core.options import check_keys

WARMUP = 0.1  # share of the new steps in which the rate rises
KEY = "extension"  # of the state of an extended schedule
AFTER = "extended_after"  # of a checkpoint


@dataclasses.dataclass(frozen=True)
class Extension:
    """More epochs for a finished run.

    Args:
        after: the epochs of the run before; the run is extended once for each value.
        peak: the highest rate of the new epochs, as a fraction of the highest rate of the run.
    """

    after: float
    peak: float = 0.3

    @classmethod
    def from_block(cls, block: object, path: str) -> Extension | None:
        """Return the extension that a block of a config describes; None for None.

        Args:
            block: such as ``{after: 30, peak: 0.3}``.
            path: its place in the config, for messages.

        Raises:
            UserError: the block is not valid.
        """
        if block is None:
            return None
        if not isinstance(block, Mapping) or "after" not in block:
            raise bad_value(path, block, "such as {after: 30, peak: 0.3}, with the epochs of the run before")
        check_keys(block, [field.name for field in dataclasses.fields(cls)], path)
        Number(0, above=True, nullable=False).check(block["after"], f"{path}.after")
        Number(0, 1, above=True, nullable=False).check(block.get("peak", 0.3), f"{path}.peak")
        return cls(**block)


class ExtendedSchedule(OneCycleLR):
    """The rate of the new epochs: it rises for a tenth of them, then falls along a cosine to almost zero.

    Args:
        optimizer: the optimizer.
        after: the epochs of the run before.
        steps: the steps of the new epochs.
        peaks: the highest rates of the run before, one for each group of parameters.
        peak: the highest rate now, as a fraction of them.
        momenta: ``base_momentum`` and ``max_momentum`` of each group if the momentum is cycled, as before.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        after: float,
        steps: int,
        peaks: list[float],
        peak: float,
        momenta: list[list[float]] | None = None,
    ) -> None:
        self.arguments: dict[str, Any] = {
            "after": after,
            "steps": steps,
            "peaks": peaks,
            "peak": peak,
            "momenta": momenta,
        }
        low, high = zip(*momenta, strict=True) if momenta else ((0.85,), (0.95,))
        super().__init__(
            optimizer,
            max_lr=[peak * each for each in peaks],
            total_steps=steps + 1,  # the last step is taken before its rate is reached
            pct_start=max(WARMUP, 2 / (steps + 1)),  # one step at least
            cycle_momentum=momenta is not None,
            base_momentum=list(low) if momenta else 0.85,
            max_momentum=list(high) if momenta else 0.95,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the arguments and the number of steps, as plain data."""
        return {KEY: dict(self.arguments), "last_epoch": self.last_epoch}

    @classmethod
    def resumed(cls, optimizer: Optimizer, state: Mapping[str, Any], left: int | None = None) -> ExtendedSchedule:
        """Return the schedule with a state that :meth:`state_dict` returned, and set the rates of its step.

        Args:
            optimizer: the optimizer.
            state: the state.
            left: the steps that are left, if an epoch has another number of steps now; by default as in the state.
        """
        arguments, done = dict(state[KEY]), state["last_epoch"]
        if left is not None and 0 < left != arguments["steps"] - done > 0:
            done = round(done * left / (arguments["steps"] - done))
            arguments["steps"] = done + left
        found = cls(optimizer, **arguments)
        found.last_epoch = done
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "To get the last learning rate")
            rates = found.get_lr()  # sets the momentum
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        found._last_lr = rates
        return found


def is_extended(state: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether the state of a schedule is that of an extended run."""
    return isinstance(state, Mapping) and KEY in state


def begins(extension: Extension | None, extended_after: float | None) -> bool:
    """Return whether a checkpoint is from before an extension.

    Args:
        extension: the extension of the config; None without one.
        extended_after: ``after`` of the extension that the checkpoint has begun; None without one.
    """
    return extension is not None and extended_after != extension.after


def begun(saved: Mapping[str, Any], schedule: object) -> float | None:
    """Return ``after`` of the extension that a checkpoint has begun; None without one.

    Args:
        saved: the checkpoint, or what is saved with it; earlier versions have the schedule alone.
        schedule: the state of its schedule.
    """
    found = saved.get(AFTER, schedule[KEY]["after"] if is_extended(schedule) else None)
    return None if found is None else float(found)


def extended_schedule(scheduler: LRScheduler | None, extension: Extension, steps: int) -> LRScheduler | None:
    """Return the schedule of the new epochs; the given one goes on if the rate is constant or follows the validations.

    Args:
        scheduler: the schedule of the run before, at its end.
        extension: the extension.
        steps: the steps of the new epochs.

    Raises:
        UserError: there are no steps left.
    """
    if steps < 1:
        raise UserError(
            f"extension.after: got {extension.after:g}, which leaves no steps; expected less than the epochs of the run"
        )
    if scheduler is None or isinstance(scheduler, ReduceLROnPlateau):
        return scheduler
    groups = scheduler.optimizer.param_groups
    peaks: list[float]
    if isinstance(scheduler, ExtendedSchedule):
        peaks, momenta = scheduler.arguments["peaks"], scheduler.arguments["momenta"]
    else:
        peaks = [float(group.get("max_lr", group.get("initial_lr", group["lr"]))) for group in groups]
        cycles = getattr(scheduler, "cycle_momentum", False)
        momenta = [[group["base_momentum"], group["max_momentum"]] for group in groups] if cycles else None
    if all(math.isclose(group["lr"], peak) or group["lr"] > peak for group, peak in zip(groups, peaks, strict=True)):
        return scheduler
    return ExtendedSchedule(scheduler.optimizer, extension.after, steps, peaks, extension.peak, momenta)
