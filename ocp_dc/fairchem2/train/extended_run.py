"""The schedule of a run of fairchem 2 that goes on for more epochs, and its place in fairchem's checkpoints."""

from __future__ import annotations

import logging
from typing import Any

from torch.optim.lr_scheduler import LRScheduler

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.train.run_progress import RunProgress
from ocp_dc.training.early_stopping import EarlyStopping
from ocp_dc.training.extension import ExtendedSchedule, Extension, begins, extended_schedule, is_extended
from ocp_dc.training.state import TrainingState


class SavedAsBefore:
    """A schedule that fairchem saves as the one of the config.

    fairchem loads a checkpoint into the schedule of the config, so that both must have the same entries. Those of the
    schedule in force are in the progress of the run.

    Args:
        schedule: the schedule in force.
        before: that of the config.
    """

    def __init__(self, schedule: ExtendedSchedule, before: LRScheduler) -> None:
        self._schedule, self._before = schedule, before

    def step(self) -> None:
        """Move the rate to the next step."""
        self._schedule.step()

    def get_lr(self) -> list[float]:
        """Return the rates, which fairchem logs."""
        return [float(rate) for rate in self._schedule.get_last_lr()]

    get_last_lr = get_lr

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the schedule of the config."""
        return self._before.state_dict()


def resume_schedule(
    unit: Any,
    state: TrainingState,
    progress: RunProgress,
    stopping: EarlyStopping,
    extension: Extension | None,
    total: int | None,
) -> None:
    """Put the schedule of an extended run into fairchem's unit; check the length of that of another run.

    Args:
        unit: the training unit, with its checkpoint loaded.
        state: the training state.
        progress: the progress, loaded from the same checkpoint.
        stopping: stops early; it waits anew when an extension begins.
        extension: the extension of the config.
        total: the steps of the whole run.

    Raises:
        UserError: the run is longer than its schedule, and is not extended.
    """
    before, schedule = unit.scheduler, unit.scheduler
    if is_extended(progress.schedule):
        schedule = ExtendedSchedule.resumed(unit.optimizer, progress.schedule)
    if extension is not None and begins(extension, state.extended_after):
        state.extended_after = extension.after
        schedule = extended_schedule(schedule, extension, (total or 0) - state.step)
        state.evaluations_since_best = 0
        stopping.wait_anew()
    if isinstance(schedule, ExtendedSchedule):
        unit.scheduler, state.scheduler = SavedAsBefore(schedule, before), schedule
    planned = getattr(before, "total_steps", None)  # of OneCycleLR, loaded with the checkpoint
    extended = extension is not None or is_extended(progress.schedule)
    if extended or planned is None or total is None:
        return
    if total < planned:
        logging.warning(
            f"the run has a learning-rate schedule of {planned} steps, and is resumed for {total}: it ends before the "
            "schedule, while the rate is high; resume with the epochs and the batch_size of the run"
        )
    if total > planned:
        raise UserError(
            f"the run has a learning-rate schedule of {planned} steps, and is resumed for {total}; resume with the "
            "epochs and the batch_size of the run, or go on after its end with `ocp-dc extend`"
        )
