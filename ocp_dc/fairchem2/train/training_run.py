"""A training run of fairchem 2, as the listeners of this package see it."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import torch
from fairchem.core.common import distutils
from omegaconf import OmegaConf

from ocp_dc.fairchem2.train.best_checkpoint import BestCheckpoint
from ocp_dc.fairchem2.train.extended_run import resume_schedule
from ocp_dc.fairchem2.train.loss_taps import LossTaps
from ocp_dc.fairchem2.train.optimizer_guard import OptimizerGuard
from ocp_dc.fairchem2.train.resumed_config import check_resumed, same_losses
from ocp_dc.fairchem2.train.run_end import end_run
from ocp_dc.fairchem2.train.run_folder import RunFolder
from ocp_dc.fairchem2.train.run_listeners import MeansOverRanks, RunParts, run_listeners
from ocp_dc.fairchem2.train.run_progress import RunProgress
from ocp_dc.fairchem2.train.validation_metrics import check_primary, validation_metrics
from ocp_dc.fairchem2.value_check import check_config
from ocp_dc.training.early_stopping import EarlyStopping
from ocp_dc.training.extension import Extension
from ocp_dc.training.finite_checks import RunPosition
from ocp_dc.training.flag_reader import FlagReader
from ocp_dc.training.progress_bar import ProgressBar
from ocp_dc.training.random_states import set_random_states
from ocp_dc.training.schedule import higher_is_better
from ocp_dc.training.state import TrainingState
from ocp_dc.training.step_clock import StepClock

ADVICE = "Lower the learning rate, set clip_grad_norm, or use a smaller activation coefficient"


class TrainingRun:
    """Turn the hooks of torchtnt's loop into calls of listeners, with a training state.

    The weights, their average, the optimizer and the schedule remain in fairchem's unit, whose checkpoints hold them.

    Args:
        unit: the training unit, with its checkpoint loaded.
        loop: the state of torchtnt's loop.
        folder: the folder of the run.
        stopping: stops early.
        primary_metric: the metric that selects the best checkpoint.
        progress: whether to show a progress bar.
        test_loader: the loader of the test split; None without one.
        extension: more epochs for a finished run.

    Raises:
        UserError: there is no such metric.
    """

    def __init__(
        self,
        unit: Any,
        loop: Any,
        folder: RunFolder,
        stopping: EarlyStopping,
        primary_metric: str,
        progress: bool,
        test_loader: Any,
        extension: Extension | None = None,
    ) -> None:
        check_primary(primary_metric, unit.tasks, loop.eval_state.dataloader.dataset.dataset_names)
        self._unit, self._loop, self._folder, self._stopping = unit, loop, folder, stopping
        self._test_loader, self._extension = test_loader, extension
        if Path(unit.job_config.metadata.checkpoint_dir) != folder.checkpoint_dir:
            # a resume.yaml holds it resolved, so that under another timestamp_id it is that of the run before
            unit.job_config = folder.read_config().job
        device = torch.device(distutils.get_device_for_local_rank())
        self._clock = StepClock(device)
        self._state = TrainingState(
            model=unit.model,
            optimizer=unit.optimizer,
            scheduler=unit.scheduler,
            primary_metric=primary_metric,
            running_means=MeansOverRanks(),
        )
        self._take_position()
        self._best = BestCheckpoint(unit, folder)
        self._progress = RunProgress(self._state, self._best, stopping)
        self._bar = ProgressBar(
            self._total_steps(), loop.train_state.max_epochs, unit.print_every, progress and distutils.is_master()
        )
        resumed_from = unit.lazy_state_location
        self._last_checkpoint = None if resumed_from is None else Path(resumed_from)
        self._validated_step = self._state.step if self._last_checkpoint else -1
        self._taps = LossTaps(unit.tasks)
        self._reader = FlagReader(late=device.type == "cuda")
        self._guard = OptimizerGuard(unit, self._taps, self._reader, self._position)
        self._save_unit = unit.save_state
        unit.save_state = self._save  # every checkpoint is saved by it, whichever callback asks for it
        self._within_epoch = False
        self._waiting_states: dict[str, Any] | None = None

    def start(self) -> None:
        """Load the progress of a resumed run, and start the listeners."""
        check_config(self._folder.read_config())  # as of the stock command
        if self._last_checkpoint is not None:
            self._resume(self._last_checkpoint)
        if distutils.is_master():
            self._folder.results.mkdir(parents=True, exist_ok=True)
        loaders = {"train": self._loop.train_state.dataloader, "val": self._loop.eval_state.dataloader}
        parts = RunParts(
            unit=self._unit,
            loaders=loaders,
            test_loader=self._test_loader,
            folder=self._folder,
            resumed=self._last_checkpoint is not None,
            total=self._total_steps(),
            clock=self._clock,
            best=self._best,
            stopping=self._stopping,
            bar=self._bar,
        )
        self._listeners = run_listeners(parts, self._state)
        self._listeners.start(self._state)
        if self._stopping.stops:  # the run had ended, and is resumed with the same patience
            self._stop()

    def batch_taken(self) -> None:
        """Restore the random states of a checkpoint that was saved at this moment: the step has not begun."""
        self._within_epoch = True
        if self._waiting_states is not None:
            set_random_states(self._waiting_states)
            self._waiting_states = None

    def step_ended(self) -> None:
        """Pass the losses of the step to the listeners."""
        self._take_position()
        self._listeners.step(self._state, self._taps.take_losses())

    def epoch_ended(self) -> None:
        """Note that no batch is waiting for its step."""
        self._within_epoch = False

    def validation_started(self) -> None:
        """Pause the clock, and read the flags of the last step."""
        self._clock.pause()
        self._reader.settle()
        self._taps.training = False

    def validation_ended(self) -> None:
        """Pass the metrics to the listeners, once for each step.

        fairchem validates at the end of each epoch and every ``evaluate_every_n_steps``; where both meet, the second
        validation repeats the first. A validation without batches follows a stop within an epoch.
        """
        self._taps.training = True
        flags = self._taps.take_flags()
        self._take_position()
        if self._unit.eval_unit.total_loss_metrics.numel and self._state.step != self._validated_step:
            self._validated_step = self._state.step
            if flags is not None and not bool(flags[1].all()):
                logging.warning(
                    f"step {self._state.step}: the validation has predictions or losses that are not finite"
                )
            metrics = validation_metrics(self._unit.eval_unit)
            if undefined := [name for name, value in metrics.items() if math.isnan(value)]:
                logging.warning(f"step {self._state.step}: the validation has no finite {', '.join(undefined)}")
            primary = self._state.primary_metric
            self._state.take_metric(metrics[primary], higher_is_better(primary))
            self._listeners.validation(self._state, metrics)
            if self._stopping.stops:
                self._stop()
        self._clock.resume()

    def end(self) -> None:
        """End the listeners, and evaluate the test split if the run is complete."""
        self._take_position()
        self._reader.settle()
        self._listeners.end(self._state)
        self.detach()
        loaders = {"val": self._loop.eval_state.dataloader, "test": self._test_loader}
        end_run(self._unit, self._folder, self._state, loaders, self._best.step_of_best, self._is_complete())

    def detach(self) -> None:
        """Remove the hooks of losses and optimizer, and the progress bar; a last checkpoint may still be saved."""
        self._bar.close()
        self._taps.remove()
        self._guard.remove()

    def _save(self, checkpoint_location: str) -> None:
        """Save a checkpoint of the unit, and before that the progress, so that each complete checkpoint has it."""
        with self._clock.paused():
            self._reader.settle()
            self._progress.save(Path(checkpoint_location), self._within_epoch)
            self._save_unit(checkpoint_location)
            self._last_checkpoint = Path(checkpoint_location)

    def _resume(self, checkpoint: Path) -> None:
        """Load the progress of a checkpoint, and the files of its run.

        Raises:
            UserError: the config does not continue that of the checkpoint.
        """
        same = True
        if (path := checkpoint / "resume.yaml").is_file():
            before, now = OmegaConf.load(path), self._folder.read_config()
            check_resumed(before, now, str(checkpoint), distutils.is_master())
            same = same_losses(before, now)
        saved, total = self._progress.load(checkpoint), self._total_steps()
        if self._state.primary_metric == "loss" and not same:
            self._state.forget_best("the run resumes with other losses")
            self._stopping.wait_anew(forget=True)
        resume_schedule(self._unit, self._state, self._progress, self._stopping, self._extension, total)
        if distutils.is_master():
            self._folder.take_over(checkpoint)
        if saved is None:
            return
        if saved["within_epoch"]:
            self._waiting_states = saved["random_states"]
        else:  # the iteration over the loader, which is about to begin, draws a random number
            set_random_states(saved["random_states"])

    def _take_position(self) -> None:
        """Copy step and epoch of fairchem's unit into the state."""
        done = self._unit.train_progress
        self._state.step = done.num_steps_completed
        per_epoch = max(len(self._loop.train_state.dataloader), 1)
        self._state.epoch = done.num_epochs_completed + done.num_steps_completed_in_epoch / per_epoch

    def _position(self) -> RunPosition:
        """Return the step in progress and the last checkpoint."""
        last = self._last_checkpoint or self._folder.checkpoint_dir
        return RunPosition(self._unit.train_progress.num_steps_completed + 1, last / "resume.yaml", ADVICE)

    def _total_steps(self) -> int | None:
        train = self._loop.train_state
        limits = [
            *([] if train.max_epochs is None else [train.max_epochs * len(train.dataloader)]),
            *([] if train.max_steps is None else [train.max_steps]),
        ]
        return min(limits, default=None)

    def _is_complete(self) -> bool:
        train, done = self._loop.train_state, self._unit.train_progress
        return (train.max_epochs is not None and done.num_epochs_completed >= train.max_epochs) or (
            train.max_steps is not None and done.num_steps_completed >= train.max_steps
        )

    def _stop(self) -> None:
        """End the run after this step.

        ``loop.stop()`` would do so, too, but fairchem's validation at the end of an epoch then divides by its number of
        batches, which is zero.
        """
        self._loop.train_state._max_steps = self._state.step
