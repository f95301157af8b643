"""The training loop of fairchem, with checkpoints after whole steps, so that a resumed run is exact."""

from __future__ import annotations

import contextlib
import datetime
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from fairchem.core.common import distutils
from fairchem.core.common.utils import match_state_dict

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import write_json
from ocp_dc.core.interrupts import deferred_sigint
from ocp_dc.core.verbosity import bars_disabled
from ocp_dc.fairchem1.train import checkpoints, loss_and_metrics
from ocp_dc.fairchem1.train.run_folder import checkpoint_named
from ocp_dc.fairchem1.train.run_listeners import run_listeners
from ocp_dc.fairchem1.train.scale_factors import ensure_fitted
from ocp_dc.training import schedule
from ocp_dc.training.averages import other_weights
from ocp_dc.training.flag_reader import FlagReader
from ocp_dc.training.listeners import Listeners
from ocp_dc.training.output import say
from ocp_dc.training.progress_bar import ProgressBar
from ocp_dc.training.random_states import get_random_states
from ocp_dc.training.run_lines import say_end
from ocp_dc.training.state import TrainingState
from ocp_dc.training.step_clock import StepClock
from ocp_dc.training.validation_log import ValidationLog

if TYPE_CHECKING:
    from ocp_dc.fairchem1.trainer import DCTrainer


def train(trainer: DCTrainer, disable_eval_progress: bool = False) -> None:
    """Train to ``optim.max_epochs``, then evaluate the best checkpoint on the test split, once.

    Args:
        trainer: the trainer, fresh or with a checkpoint loaded.
        disable_eval_progress: hide the progress bars of the evaluations.

    Raises:
        UserError: there is no training set.
        DivergenceError: a loss term or a gradient is not finite.
        KeyboardInterrupt: Ctrl-C; the step was finished and a checkpoint written before.
    """
    if trainer.train_loader is None:
        raise UserError(
            f"dataset.train.src {trainer.config['dataset'].get('src')!r} does not exist: nothing to train on"
        )
    if trainer.state.unused_averages is not None:
        logging.warning(
            "the checkpoint holds averaged weights, which are dropped: the config has neither optim.ema_decay nor "
            "optim.swa_start"
        )
        trainer.state.unused_averages = None
    ensure_fitted(trainer.state.bare_model, warn=True)
    clock = StepClock(trainer.device)
    reader = FlagReader(late=trainer.device.type == "cuda")
    print_every, epochs = trainer.config["cmd"]["print_every"], trainer.config["optim"]["max_epochs"]
    total = trainer.run_steps.total
    bar = ProgressBar(total, epochs, print_every, distutils.is_master())
    listeners = run_listeners(trainer, clock, total, reader, bar)
    with checkpoint_named(Path(trainer.config["cmd"]["checkpoint_dir"], "checkpoint.pt")), contextlib.closing(bar):
        listeners.start(trainer.state)
        _epochs(trainer, listeners, reader, clock)
        test_errors = _evaluate_best(trainer, disable_eval_progress)
    if trainer.writes_files:
        _say_end(trainer, test_errors)


def _epochs(trainer: DCTrainer, listeners: Listeners, reader: FlagReader, clock: StepClock) -> None:
    """Run the remaining steps, with validations and checkpoints when they are due."""
    state, optim, total = trainer.state, trainer.config["optim"], trainer.run_steps.total
    per_epoch = len(trainer.train_loader)
    eval_every = optim.get("eval_every", per_epoch)
    checkpoint_every = optim.get("checkpoint_every", eval_every)
    checkpoint_every = per_epoch if checkpoint_every == -1 else checkpoint_every
    patience = optim.get("early_stopping_patience", math.inf)
    seed = trainer.config["cmd"]["seed"] or 0
    # with several ranks Ctrl-C has its default effect
    waiting = deferred_sigint() if distutils.get_world_size() == 1 else contextlib.nullcontext(lambda: False)
    state.model.train()
    if _has_stopped(state, patience):  # the run had ended, and is resumed with the same patience
        listeners.end(state)
        return
    with waiting as interrupted:
        for batch in _batches(trainer.train_loader, trainer.train_sampler, state, total, seed):
            out, losses = _step(trainer, batch, reader)
            listeners.step(state, losses)
            if state.step % trainer.config["cmd"]["print_every"] == 0:
                reader.settle()
                _log_step(state, trainer._compute_metrics(out, batch, trainer.evaluator, {}), trainer.logger)
            schedule.step(state.scheduler)
            if state.step % eval_every == 0:
                reader.settle()
                with clock.paused():
                    _validate(trainer, listeners)
            stops = interrupted()
            # after schedule, validation and best metric, so that the checkpoint includes them
            early = state.evaluations_since_best >= patience
            if state.step % checkpoint_every == 0 or stops or early or state.step == total:
                reader.settle()
                with clock.paused():
                    state.random_states = distutils.gather_objects(get_random_states())
                    trainer.save(checkpoint_file="checkpoint.pt", training_state=True)
            if stops:
                raise KeyboardInterrupt(
                    f"stopped after step {state.step} of {total}; the same command with "
                    f"--timestamp-id {trainer.timestamp_id} resumes from there"
                )
            if _has_stopped(state, patience):
                break
    listeners.end(state)


def _has_stopped(state: TrainingState, patience: float) -> bool:
    """Return whether the run ends early, and say so."""
    if state.evaluations_since_best < patience:
        return False
    if distutils.is_master():
        say(f"early stopping: {patience} validations without an improvement of {state.primary_metric}")
    return True


def _batches(loader: Any, sampler: Any, state: TrainingState, total: int, seed: int) -> Iterator[Any]:
    """Yield the batches from the current step on, and set step and epoch before each.

    Args:
        loader: the loader of the training set, with a generator.
        sampler: its sampler, fairchem's.
        state: the state; batches start at its step.
        total: the number of steps of the whole training run.
        seed: the seed of the training run; each epoch has another order.
    """
    per_epoch = len(loader)
    while state.step < total:
        epoch, done = divmod(state.step, per_epoch)
        sampler.set_epoch_and_start_iteration(epoch, done)
        loader.generator.manual_seed(seed + epoch)
        for batch in loader:
            state.step += 1
            state.epoch = state.step / per_epoch
            yield batch


def _step(
    trainer: DCTrainer, batch: Any, reader: FlagReader
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Take an optimizer step, and return the predictions before it and the losses: ``loss``, ``loss_NAME`` of each."""
    scaler = trainer.state.scaler
    if not trainer.state.model.training:  # train() visits every module
        trainer.state.model.train()
    with torch.autocast("cuda", enabled=scaler is not None):
        out = trainer._forward(batch)
        terms = trainer.loss_terms(out, batch, reader, trainer.run_steps.progress(trainer.state.step))
        loss = loss_and_metrics.total_loss(terms)
    trainer._backward(loss if scaler is None else scaler.scale(loss))
    return out, {"loss": loss, **{f"loss_{name}": term for name, term in terms.items()}}


def _log_step(state: TrainingState, metrics: dict[str, Any], logger: Any) -> None:
    """Log the metrics of a batch and the mean losses that the progress bar has read.

    Args:
        state: the state.
        metrics: of the batch, as fairchem's evaluator gives them.
        logger: fairchem's, or None.
    """
    values = {name: metric["metric"] for name, metric in metrics.items()} | state.running_means.printed
    values |= {"lr": state.learning_rate, "epoch": state.epoch, "step": state.step}
    if distutils.is_master():
        logging.info(", ".join(f"{name}: {value:.2e}" for name, value in values.items()))
    if logger is not None:
        logger.log(values, step=state.step, split="train")


def _validate(trainer: DCTrainer, listeners: Listeners) -> None:
    """Validate, save the weights if they are the best, and update the schedule and the listeners."""
    state = trainer.state
    if trainer.val_loader is None:
        listeners.validation(state, None)
        return
    metrics = trainer.errors_on("val", disable_tqdm=True)  # the bar of the training run is the only one
    trainer.update_best(state.primary_metric, metrics)
    schedule.step_on_metric(state.scheduler, metrics[state.primary_metric]["metric"])
    listeners.validation(state, {name: float(metric["metric"]) for name, metric in metrics.items()})


def _evaluate_best(trainer: DCTrainer, disable_progress: bool) -> dict[str, float] | None:
    """Evaluate the best weights on the test split and write test.json; the training weights are restored afterwards.

    Returns:
        The metrics; None if the test split is not evaluated.
    """
    if trainer.test_loader is None:
        return None
    labels = [name for name in trainer.output_targets if name not in trainer.test_dataset[0]]
    if labels:
        logging.info(f"the test split has no {', '.join(labels)}: it is not evaluated")
        return None
    best = Path(trainer.config["cmd"]["checkpoint_dir"], "best_checkpoint.pt")
    with _weights_of(best, trainer.state, trainer.device) if best.is_file() else contextlib.nullcontext():
        hidden = bars_disabled(disable_progress or not distutils.is_master())
        metrics = trainer.errors_on("test", disable_tqdm=hidden)
    values = {name: float(metric["metric"]) for name, metric in metrics.items()}
    units = {name: unit for name in values if (unit := ValidationLog.unit(name))}
    record = {"checkpoint": best.name if best.is_file() else "last weights", **values, "units": units}
    if trainer.writes_files:
        write_json(Path(trainer.config["cmd"]["results_dir"], "test.json"), record)
    if distutils.is_master():
        shown = ", ".join(f"{name} {value:.5g} {units.get(name, '')}".strip() for name, value in values.items())
        logging.info(f"test split, {record['checkpoint']}: {shown}")
    return values


def _say_end(trainer: DCTrainer, test_errors: dict[str, float] | None) -> None:
    folders, blocks = trainer.config["cmd"], (trainer.config["test_dataset"], trainer.config["val_dataset"])
    results = Path(folders["results_dir"])
    say_end(
        results / "validation.csv",
        trainer.state.primary_metric,
        Path(folders["checkpoint_dir"], "best_checkpoint.pt"),
        test_errors,
        next((block["src"] for block in blocks if isinstance(block.get("src"), str)), None),
        results / "evaluation",
    )


def _weights_of(path: Path, state: TrainingState, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Put the weights of a checkpoint into the model within the block."""
    saved = checkpoints.read_checkpoint(path, device)["state_dict"]
    return other_weights(state, match_state_dict(state.model.state_dict(), saved))


def timestamp(device: torch.device, suffix: str | None) -> str:
    """Return the identifier of a run: local time to the millisecond and the suffix, the same on every rank."""
    now = torch.tensor(int(time.time() * 1000), dtype=torch.int64, device=device)
    distutils.broadcast(now, 0)
    moment = datetime.datetime.fromtimestamp(now.item() / 1000)
    text = moment.strftime("%Y-%m-%d-%H-%M-%S-") + f"{moment.microsecond // 1000:03d}"
    return f"{text}-{suffix}" if suffix else text
