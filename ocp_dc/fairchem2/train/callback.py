"""A callback for fairchem 2's ``TrainEvalRunner``: records, best checkpoint, checks, early stopping, exact resume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairchem.core.common import distutils
from torchtnt.framework.callback import Callback

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.train.run_folder import RunFolder
from ocp_dc.fairchem2.train.training_run import TrainingRun
from ocp_dc.training.early_stopping import EarlyStopping
from ocp_dc.training.extension import Extension
from ocp_dc.training.output import write_log


class RunCallback(Callback):
    """Keep the records and the best checkpoint of a run, stop it at values that are not finite, and resume it exactly.

    It works with every model of fairchem 2, with or without a ``dc:`` block, beside fairchem's
    ``TrainCheckpointCallback``, in any order. In the folder of the run it writes:

    * results/validation.csv: one row per validation, with units in the header
    * results/best_inference_ckpt.pt: the weights of the best validation, for fairchem's calculator
    * results/test.json: the errors of the best checkpoint on the test split, at the end
    * results/learning_curves.png, results/environment.json, results/surgery.json, results/initial_weights.json
    * logs/fairchem.log of ``ocp-dc main``: everything that was logged
    * checkpoints/*/ocp_dc_progress.pt: random states and whatever else an exact resume needs

    Args:
        primary_metric: the metric that selects the best checkpoint: ``loss``, or one of the columns of validation.csv
            without its unit, such as ``forces_mae``.
        patience: the number of validations without an improvement after which the run ends; None to never stop early.
        min_delta: how much better a metric must be to count as an improvement for ``patience``.
        test_dataloader: the loader of the test split; None without one.
        progress: whether to show a progress bar on a terminal.
        extension: more epochs for a finished run, such as ``{after: 30, peak: 0.3}``, which ``ocp-dc extend`` writes;
            see :class:`ocp_dc.training.extension.Extension`.

    Raises:
        UserError: a value is not valid.
    """

    def __init__(
        self,
        primary_metric: str = "loss",
        patience: int | None = None,
        min_delta: float = 0.0,
        test_dataloader: Any = None,
        progress: bool = True,
        extension: Mapping[str, float] | None = None,
    ) -> None:
        self._primary_metric, self._progress = primary_metric, progress
        self._stopping = EarlyStopping(patience, min_delta)
        self._test_dataloader = test_dataloader
        self._extension = Extension.from_block(extension, "extension")
        self._folder: RunFolder | None = None
        self._run: TrainingRun | None = None

    @property
    def run(self) -> TrainingRun:
        """The run in progress."""
        if self._run is None:
            raise RuntimeError("there is no training run in progress")
        return self._run

    def set_runner_callbacks(self, save_callback: Any, load_callback: Any, checkpoint_dir: str) -> None:
        """Take the folder of checkpoints; fairchem's runner calls this, before it loads a checkpoint."""
        self._folder = RunFolder(Path(checkpoint_dir))
        write_log(self._folder.logs, distutils.get_rank())

    def on_train_start(self, state: Any, unit: Any) -> None:
        """Attach to the unit, which has loaded its checkpoint, and start the listeners."""
        if self._folder is None:
            raise UserError("RunCallback needs fairchem's TrainEvalRunner, which tells callbacks the folder of the run")
        self._run = TrainingRun(
            unit,
            state,
            self._folder,
            self._stopping,
            self._primary_metric,
            self._progress,
            self._test_dataloader,
            self._extension,
        )
        self._run.start()

    def on_train_get_next_batch_end(self, state: Any, unit: Any) -> None:
        """Restore random states, before any other callback may save a checkpoint."""
        self.run.batch_taken()

    def on_train_step_end(self, state: Any, unit: Any) -> None:
        """Take the losses of the step."""
        self.run.step_ended()

    def on_train_epoch_end(self, state: Any, unit: Any) -> None:
        """Note that no batch is waiting for its step."""
        self.run.epoch_ended()

    def on_eval_start(self, state: Any, unit: Any) -> None:
        """Pause the clock."""
        self.run.validation_started()

    def on_eval_end(self, state: Any, unit: Any) -> None:
        """Take the metrics of the validation."""
        self.run.validation_ended()

    def on_train_end(self, state: Any, unit: Any) -> None:
        """Evaluate the test split, and detach from the unit."""
        self.run.end()
        self._run = None

    def on_exception(self, state: Any, unit: Any, exc: BaseException) -> None:
        """Detach from the unit."""
        if self._run is not None:
            self._run.detach()
            self._run = None
