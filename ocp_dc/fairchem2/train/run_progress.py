"""What an exact resume needs beside fairchem 2's own checkpoint: random states, best metric, means, early stopping."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from fairchem.core.common import distutils

from ocp_dc.core.files import replacing
from ocp_dc.fairchem2.train.best_checkpoint import BestCheckpoint
from ocp_dc.training.early_stopping import EarlyStopping
from ocp_dc.training.extension import AFTER, ExtendedSchedule, begun
from ocp_dc.training.random_states import get_random_states
from ocp_dc.training.safe_torch import load_torch
from ocp_dc.training.state import TrainingState

FILE = "ocp_dc_progress.pt"  # in a folder of a checkpoint


class RunProgress:
    """Save and load the progress of a run, in the folder of a checkpoint of fairchem.

    Args:
        state: the training state.
        best: writes the best checkpoint.
        stopping: stops early.

    Attributes:
        schedule: the state of the schedule of an extended run, as loaded; None for another run.
    """

    def __init__(self, state: TrainingState, best: BestCheckpoint, stopping: EarlyStopping) -> None:
        self._state, self._best, self._stopping = state, best, stopping
        self.schedule: Mapping[str, Any] | None = None

    def save(self, folder: Path, within_epoch: bool) -> None:
        """Write the file, before fairchem completes the checkpoint; all ranks call this.

        Args:
            folder: the folder of the checkpoint; it may not exist yet.
            within_epoch: whether a batch was taken from the loader and its step has not begun.
        """
        state = self._state
        ranks = distutils.gather_objects(
            {"random_states": get_random_states(), "running_means": state.running_means.state_dict()}
        )
        content = {
            "step": state.step,
            "within_epoch": within_epoch,
            "primary_metric": state.primary_metric,
            "best_metric": state.best_metric,
            "evaluations_since_best": state.evaluations_since_best,
            "step_of_best": self._best.step_of_best,
            "early_stopping": self._stopping.state_dict(),
            "compiled": state.compiled,
            AFTER: state.extended_after,
            "schedule": state.scheduler.state_dict() if isinstance(state.scheduler, ExtendedSchedule) else None,
            "ranks": ranks,
        }
        if distutils.is_master():
            with replacing(folder / FILE) as new:
                torch.save(content, new)

    def load(self, folder: Path) -> Mapping[str, Any] | None:
        """Load the file, if there is one, and return what is restored later: ``random_states``, ``within_epoch``.

        Returns:
            None if the resumed run cannot be exact, which is logged.
        """
        if not (folder / FILE).is_file():
            logging.warning(
                f"{folder}: holds no {FILE}: it was saved without this callback, and the resume is not exact"
            )
            return None
        saved, state = load_torch(folder / FILE, "progress"), self._state
        state.compiled = saved["compiled"]
        self.schedule = saved.get("schedule")
        state.extended_after = begun(saved, self.schedule)
        if saved["primary_metric"] == state.primary_metric:
            state.best_metric = saved["best_metric"]
            state.evaluations_since_best = saved["evaluations_since_best"]
            self._best.step_of_best = saved["step_of_best"]
            self._stopping.load_state_dict(saved["early_stopping"])
        if len(saved["ranks"]) != distutils.get_world_size():
            logging.warning(
                f"{folder}: is of {len(saved['ranks'])} ranks, this run has {distutils.get_world_size()}: the resume "
                "is not exact"
            )
            return None
        of_this_rank = saved["ranks"][distutils.get_rank()]
        state.running_means.load_state_dict(of_this_rank["running_means"])
        return {"random_states": of_this_rank["random_states"], "within_epoch": saved["within_epoch"]}
