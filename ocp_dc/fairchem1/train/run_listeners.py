"""The listeners of a training run with fairchem 1.10, in the order in which they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from fairchem.core.common import distutils

from ocp_dc.evaluation.run_curves import LiveCurves
from ocp_dc.fairchem1.checks import batch_check
from ocp_dc.fairchem1.train import model_boundaries, resume
from ocp_dc.fairchem1.wrappers.dc_model import surgery_report
from ocp_dc.fairchem1.wrappers.native_model import native_model
from ocp_dc.training import gains
from ocp_dc.training.acceleration import AccelerationChoice
from ocp_dc.training.finite_checks import GradientCheck
from ocp_dc.training.first_weights import warn_of_first_weights
from ocp_dc.training.flag_reader import FlagReader
from ocp_dc.training.initial_weights import initial_weights
from ocp_dc.training.listeners import AtStart, Listener, Listeners
from ocp_dc.training.progress_bar import ProgressBar
from ocp_dc.training.random_states import RandomStates
from ocp_dc.training.run_lines import (
    ValidationLines,
    data_line,
    label_line,
    model_line,
    say_header,
    shown_path,
    surgery_line,
)
from ocp_dc.training.stability import StabilityWarning
from ocp_dc.training.state import TrainingState
from ocp_dc.training.step_clock import RunTime, StepClock
from ocp_dc.training.validation_log import ValidationLog
from ocp_dc.training.validation_rows import ValidationRows

if TYPE_CHECKING:
    from ocp_dc.fairchem1.trainer import DCTrainer

ADVICE = "Lower optim.lr_initial, set optim.clip_grad_norm, or use a smaller activation coefficient"


def run_listeners(trainer: DCTrainer, clock: StepClock, total: int, reader: FlagReader, bar: ProgressBar) -> Listeners:
    """Return the listeners of a run.

    Args:
        trainer: the trainer, with everything built, and the checkpoint loaded where there is one.
        clock: times the steps.
        total: the steps of the whole run.
        reader: reads whether gradients are finite.
        bar: the progress bar.
    """
    checkpoint_dir = Path(trainer.config["cmd"]["checkpoint_dir"])
    log = ValidationLog(Path(trainer.config["cmd"]["results_dir"], "validation.csv"), enabled=trainer.writes_files)
    held_out = {"val": trainer.val_dataset, "test": trainer.test_dataset}

    def take_over_files(state: TrainingState) -> None:
        if trainer.resumed_from is not None and state.step and trainer.writes_files:
            resume.copy_run_files(trainer.resumed_from, log.path, checkpoint_dir)

    return Listeners(
        [
            StabilityWarning(trainer.label_options, logs=trainer.writes_files),
            *([] if trainer.checkpoint_loaded else _of_a_fresh_run(trainer, total)),
            AtStart(lambda state: gains.check_fitted(state.bare_model)),
            AtStart(lambda state: model_boundaries.check_first(state.bare_model, held_out)),
            RandomStates(distutils.get_rank(), distutils.get_world_size()),
            AtStart(take_over_files),
            ValidationRows(log, clock),
            GradientCheck(checkpoint_dir / "checkpoint.pt", ADVICE, reader),
            trainer.state.running_means,
            *([AtStart(lambda state: _say_header(trainer)), ValidationLines()] if distutils.is_master() else []),
            AccelerationChoice(total, native_model, logs=distutils.is_master(), agree=_agree_on(trainer.device)),
            RunTime(total),
            bar,
            *([LiveCurves(log.path)] if trainer.writes_files else []),
            clock,  # last, so that the start of the other listeners is not timed
        ]
    )


def _say_header(trainer: DCTrainer) -> None:
    model, folders = trainer.state.bare_model, trainer.config["cmd"]
    splits = {"training": trainer.train_dataset, "validation": trainer.val_dataset, "test": trainer.test_dataset}
    say_header(
        {
            "model": model_line(type(model).__name__, model),
            "surgery": surgery_line(surgery_report(model)),
            "data": data_line({name: len(dataset) for name, dataset in splits.items() if dataset is not None}),
            "labels": label_line(trainer.state.label_rescaling),
            "device": str(trainer.device),
            "run": shown_path(Path(folders["results_dir"])) if trainer.writes_files else None,
            "resumed": f"from step {trainer.state.step}" if trainer.state.step else None,
        }
    )


def _of_a_fresh_run(trainer: DCTrainer, total: int) -> Iterator[Listener]:
    """Yield the listeners that fit and check before the first step of a training run without a checkpoint."""
    yield AtStart(lambda state: trainer.fit_label_rescaling())
    blocks = {"train": "dataset", "val": "val_dataset", "test": "test_dataset"}
    splits = {
        split: (getattr(trainer, f"{split}_dataset"), trainer.config[block].get("src"))
        for split, block in blocks.items()
    }
    yield AtStart(lambda state: batch_check.check_splits(state.bare_model, state.label_rescaling, splits))
    yield gains.GainFit(lambda: _pass_first_batch(trainer), _agree_on(trainer.device), logs=distutils.is_master())
    if trainer.writes_files:
        decay = trainer.config["optim"].get("ema_decay")
        yield AtStart(lambda state: warn_of_first_weights(decay, total, "optim.ema_decay"))
        yield AtStart(
            lambda state: trainer.save_record("initial_weights.json", initial_weights(state.bare_model)),
        )


def _pass_first_batch(trainer: DCTrainer) -> None:
    """Pass the first batch of the training run through the model."""
    trainer.train_sampler.set_epoch_and_start_iteration(0, 0)
    trainer.train_loader.generator.manual_seed(trainer.config["cmd"]["seed"] or 0)
    trainer._forward(next(iter(trainer.train_loader)))


def _agree_on(device: torch.device) -> Callable[[list[float]], list[float]]:
    """Return a function that returns the values of the first rank on every rank."""

    def of_first_rank(values: list[float]) -> list[float]:
        shared: list[Any] = [values]
        distutils.broadcast_object_list(shared, src=0, device=device)
        return list(shared[0])

    return of_first_rank
