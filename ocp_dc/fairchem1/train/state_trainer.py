"""fairchem's trainer with its changing values in a training state, which checkpoints save and restore."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from fairchem.core.common import distutils
from fairchem.core.trainers import OCPTrainer

from ocp_dc.fairchem1.train import checkpoints, losses, update
from ocp_dc.training import learning_rates, records, schedule
from ocp_dc.training.averages import averaged_weights
from ocp_dc.training.extension import Extension
from ocp_dc.training.output import say, write_log
from ocp_dc.training.run_steps import RunSteps
from ocp_dc.training.state import TrainingState


class StateAttribute:
    """Descriptor that reads and writes a field of ``trainer.state`` under fairchem's name for it.

    fairchem's methods assign ``trainer.model``, ``trainer.step`` or ``trainer.ema`` while they build and run, and its
    calculator removes the ``scaler``. A copy in the state would have to be synchronized at every call of a method of
    fairchem. So the value is stored only in the state, and the trainer's attribute is an alias.

    Args:
        field: the name of a field of :class:`~ocp_dc.training.state.TrainingState`.
    """

    def __init__(self, field: str) -> None:
        self._field = field

    def __get__(self, trainer: Any, owner: type | None = None) -> Any:
        """Return the field, or this descriptor if accessed on the class."""
        return self if trainer is None else getattr(trainer.state, self._field)

    def __set__(self, trainer: Any, value: Any) -> None:
        """Set the field."""
        setattr(trainer.state, self._field, value)


class StateTrainer(OCPTrainer):
    """fairchem's trainer, with a :class:`~ocp_dc.training.state.TrainingState` and checkpoints of it.

    fairchem's ``scheduler`` is a wrapper of the schedule in the state, and is built with it.
    """

    config: dict[str, Any]
    relax_loader: Any
    train_loader: Any

    model = StateAttribute("model")
    optimizer = StateAttribute("optimizer")
    ema = StateAttribute("ema")
    scaler = StateAttribute("scaler")
    step = StateAttribute("step")
    epoch = StateAttribute("epoch")
    best_val_metric = StateAttribute("best_metric")
    label_rescaling = StateAttribute("label_rescaling")

    @functools.cached_property
    def state(self) -> TrainingState:
        """The state of the run; fairchem's constructor fills it."""
        return TrainingState()

    @property
    def run_steps(self) -> RunSteps:
        """The steps of a training run."""
        optim = self.config["optim"]
        extension = Extension.from_block(optim.get("extension"), "optim.extension")
        return RunSteps.of(optim["max_epochs"], len(self.train_loader), extension)

    @property
    def writes_files(self) -> bool:
        """True if this process writes files: the first rank, outside debug mode."""
        return not self.is_debug and distutils.is_master()

    def load_loss(self) -> None:
        """Build the terms of the loss."""
        super().load_loss()
        losses.add_settings(self.loss_functions, self.config["loss_functions"])

    def load_optimizer(self) -> None:
        """Build the optimizer, with the rates of ``lr_factors``, and a fused step unless the config says otherwise."""
        given = self.config["optim"]
        self.config["optim"] = update.with_fused_step(given)
        super().load_optimizer()
        self.config["optim"] = given
        if given.get("lr_factors"):
            learning_rates.split_groups(self.optimizer, self.state.bare_model, given["lr_factors"])

    def load_extras(self) -> None:
        """Build clipping, averages and the schedule, whose length is computed from the epochs and the loader."""
        given = self.config["optim"]
        filled = schedule.with_length(given, self.train_loader)
        self.config["optim"] = learning_rates.with_rates_of_groups(filled, self.optimizer.param_groups)
        super().load_extras()
        self.config["optim"] = given
        if self.state.ema is not None:
            self.state.ema = update.ForeachAverage(self.state.model.parameters(), self.state.ema.decay)
        elif given.get("swa_start") is not None and self.train_loader is not None:
            self.state.ema = update.EqualAverage(self.state.model.parameters(), self._averages_step)
        self.state.scheduler = getattr(self.scheduler, "scheduler", None)  # missing for "Null"
        self.state.primary_metric = self.evaluation_metrics["primary_metric"]

    def _averages_step(self) -> bool:
        """Return whether the weights after the step in progress are averaged, by ``optim.swa_start``."""
        return self.run_steps.is_past(self.state.step, self.config["optim"]["swa_start"])

    def update_best(self, primary_metric: str, val_metrics: dict[str, Any], disable_eval_tqdm: bool = True) -> None:
        """Save the weights if they are the best so far; the test set is evaluated only at the end of the run."""
        value = float(val_metrics[primary_metric]["metric"])
        if self.state.take_metric(value, schedule.higher_is_better(primary_metric)):
            self.save(metrics=val_metrics, checkpoint_file="best_checkpoint.pt", training_state=False)

    def save(
        self, metrics: Any = None, checkpoint_file: str = "checkpoint.pt", training_state: bool = True
    ) -> str | None:
        """Write a checkpoint atomically, on the first rank; without the training state it has the averaged weights.

        Returns:
            The path, or None if nothing was written.
        """
        if not self.writes_files:
            return None
        path = Path(self.config["cmd"]["checkpoint_dir"], checkpoint_file)
        entries = checkpoints.host_entries(
            self.config, metrics, self.normalizers, self.elementrefs, self.state.label_rescaling
        )
        if training_state:
            checkpoints.write_checkpoint({**entries, **self.state.state_dict()}, path)
        else:
            with averaged_weights(self.state):
                checkpoints.write_checkpoint({**entries, **self.state.weights_dict()}, path)
        return str(path)

    def open_log(self) -> None:
        """Write the log of this rank beside the results."""
        if not self.is_debug:
            write_log(Path(self.config["cmd"]["results_dir"]), distutils.get_rank())

    def say(self, text: str) -> None:
        """Show a line to the user, on the first rank."""
        if distutils.is_master():
            say(text)

    def save_record(self, name: str, text: str) -> None:
        """Write a text file beside the results, on the first rank; a file with other content is kept."""
        if self.writes_files:
            records.write_once(Path(self.config["cmd"]["results_dir"], name), text)
