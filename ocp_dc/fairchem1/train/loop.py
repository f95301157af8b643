"""The training loop: fairchem's, with checkpoints taken after the step, so that a resumed run ends where it should."""

from __future__ import annotations

import contextlib
import datetime
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from fairchem.core.common import distutils
from tqdm import tqdm

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import write_json
from ocp_dc.core.interrupts import deferred_sigint
from ocp_dc.fairchem1.checks import batch_check
from ocp_dc.fairchem1.train import loss_and_metrics, model_boundaries, norm_gains, resume, swapped_weights
from ocp_dc.fairchem1.train.run_folder import checkpoint_named
from ocp_dc.fairchem1.train.scale_factors import ensure_fitted
from ocp_dc.training import schedule, stability
from ocp_dc.training.finite_checks import check_gradients
from ocp_dc.training.initial_weights import initial_weights
from ocp_dc.training.step_clock import StepClock, peak_memory, start_peak_memory
from ocp_dc.training.validation_log import ValidationLog


def train(trainer: Any, disable_eval_progress: bool = False) -> None:
    """Train to ``optim.max_epochs``, then evaluate the best checkpoint on the test split, once.

    Args:
        trainer: a :class:`~ocp_dc.fairchem1.trainer.DCTrainer`, fresh or with a checkpoint loaded.
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
    ensure_fitted(trainer._unwrapped_model, warn=True)
    unstable = stability.warning(trainer._unwrapped_model, trainer.label_options)
    if unstable is not None and _writes(trainer):
        logging.warning(unstable)
    if not trainer.checkpoint_loaded:
        trainer.fit_label_rescaling()
        batch_check.check_splits(trainer)
        norm_gains.fit(trainer)
        if _writes(trainer):
            trainer._save_record("initial_weights.json", initial_weights(trainer._unwrapped_model))
    norm_gains.ensure_fitted(trainer._unwrapped_model)
    model_boundaries.check_first(trainer._unwrapped_model, {"val": trainer.val_dataset, "test": trainer.test_dataset})
    log = ValidationLog(Path(trainer.config["cmd"]["results_dir"], "validation.csv"), enabled=_writes(trainer))
    with checkpoint_named(Path(trainer.config["cmd"]["checkpoint_dir"], "checkpoint.pt")):
        resume.take_over(trainer, log)
        _epochs(trainer, log, disable_eval_progress)
        _evaluate_best(trainer, disable_eval_progress)


def _epochs(trainer: Any, log: ValidationLog, disable_eval_progress: bool) -> None:
    optim = trainer.config["optim"]
    per_epoch = len(trainer.train_loader)
    total = optim["max_epochs"] * per_epoch
    eval_every = optim.get("eval_every", per_epoch)
    checkpoint_every = optim.get("checkpoint_every", eval_every)
    checkpoint_every = per_epoch if checkpoint_every == -1 else checkpoint_every
    patience = optim.get("early_stopping_patience", math.inf)
    start_peak_memory(trainer.device)
    clock = StepClock(trainer.device)
    start = time.monotonic()
    bar = tqdm(total=total, initial=trainer.step, desc="training", unit="step", disable=None)
    # with several ranks Ctrl-C acts as ever
    waiting = deferred_sigint() if distutils.get_world_size() == 1 else contextlib.nullcontext(lambda: False)
    with bar, waiting as interrupted:
        for batch in _batches(trainer, total):
            trainer.model.train()
            with torch.autocast("cuda", enabled=trainer.scaler is not None):
                out = trainer._forward(batch)
                terms = loss_and_metrics.loss_terms(trainer, out, batch)
                loss = sum(terms.values())
            trainer._backward(trainer.scaler.scale(loss) if trainer.scaler else loss)
            check_gradients(trainer)
            trainer.running_means.add({"loss": loss, **{f"loss_{name}": term for name, term in terms.items()}})
            _log_step(trainer, out, batch)
            if trainer.scheduler.scheduler_type != "ReduceLROnPlateau":
                schedule.step(trainer.scheduler)
            clock.count()
            if trainer.step % eval_every == 0:
                with clock.paused():
                    _validate(trainer, log, clock, disable_eval_progress)
            # after the schedule, the validation and the best metric: a resumed run starts with all of them
            if trainer.step % checkpoint_every == 0 or interrupted() or trainer.step == total:
                with clock.paused():
                    resume.gather_random_states(trainer)
                    trainer.save(checkpoint_file="checkpoint.pt", training_state=True)
            if interrupted():
                raise KeyboardInterrupt(
                    f"stopped after step {trainer.step} of {total}; the same command with "
                    f"--timestamp-id {trainer.timestamp_id} goes on from there"
                )
            bar.update()
            if trainer.evaluations_since_best >= patience:
                logging.info(f"early stopping: {patience} validations without an improvement of the best metric")
                break
    logging.info(f"trained to step {trainer.step} of {total} in {time.monotonic() - start:.1f} s")


def _batches(trainer: Any, total: int) -> Iterator[Any]:
    """Yield the batches from the current step on, and set step and epoch before each."""
    per_epoch = len(trainer.train_loader)
    seed = trainer.config["cmd"]["seed"] or 0
    while trainer.step < total:
        epoch, done = divmod(trainer.step, per_epoch)
        trainer.train_sampler.set_epoch_and_start_iteration(epoch, done)
        trainer.train_loader.generator.manual_seed(seed + epoch)
        for batch in trainer.train_loader:
            trainer.step += 1
            trainer.epoch = trainer.step / per_epoch
            yield batch


def _log_step(trainer: Any, out: dict[str, torch.Tensor], batch: Any) -> None:
    if trainer.step % trainer.config["cmd"]["print_every"] != 0:
        return
    metrics = trainer._compute_metrics(out, batch, trainer.evaluator, {})
    values = {name: metric["metric"] for name, metric in metrics.items()} | trainer.running_means.since_print()
    values |= {"lr": trainer.scheduler.get_lr(), "epoch": trainer.epoch, "step": trainer.step}
    if distutils.is_master():
        logging.info(", ".join(f"{name}: {value:.2e}" for name, value in values.items()))
    if trainer.logger is not None:
        trainer.logger.log(values, step=trainer.step, split="train")


def _validate(trainer: Any, log: ValidationLog, clock: StepClock, disable_progress: bool) -> None:
    train_losses, step_time = trainer.running_means.since_validation(), clock.seconds_per_step()
    if trainer.val_loader is None:
        return
    metrics = trainer.validate(split="val", disable_tqdm=disable_progress or not distutils.is_master())
    primary = trainer.evaluation_metrics["primary_metric"]
    trainer.update_best(primary, metrics)
    if trainer.scheduler.scheduler_type == "ReduceLROnPlateau":
        trainer.scheduler.step(metrics=metrics[primary]["metric"])
    log.add(
        step=trainer.step,
        epoch=trainer.epoch,
        learning_rate=trainer.scheduler.get_lr(),
        train_losses=train_losses,
        metrics={name: float(metric["metric"]) for name, metric in metrics.items()},
        step_time=step_time,
        peak_memory=peak_memory(trainer.device),
    )


def _evaluate_best(trainer: Any, disable_progress: bool) -> None:
    """Evaluate the best weights on the test split and write test.json; the training weights come back after."""
    if trainer.test_loader is None:
        return
    labels = [name for name in trainer.output_targets if name not in trainer.test_dataset[0]]
    if labels:
        logging.info(f"the test split has no {', '.join(labels)}: it is not evaluated")
        return
    best = Path(trainer.config["cmd"]["checkpoint_dir"], "best_checkpoint.pt")
    with swapped_weights.weights_of(trainer, best):
        metrics = trainer.validate(split="test", disable_tqdm=disable_progress or not distutils.is_master())
    values = {name: float(metric["metric"]) for name, metric in metrics.items()}
    units = {name: unit for name in values if (unit := ValidationLog.unit(name))}
    record = {"checkpoint": best.name if best.is_file() else "last weights", **values, "units": units}
    if _writes(trainer):
        write_json(Path(trainer.config["cmd"]["results_dir"], "test.json"), record)
    if distutils.is_master():
        shown = ", ".join(f"{name} {value:.5g} {units.get(name, '')}".strip() for name, value in values.items())
        logging.info(f"test split, {record['checkpoint']}: {shown}")
        if best.is_file():
            logging.info(f"the best checkpoint is {best}")


def _writes(trainer: Any) -> bool:
    return not trainer.is_debug and distutils.is_master()


def timestamp(device: torch.device, suffix: str | None) -> str:
    """Return the identifier of a run: local time to the millisecond and the suffix, the same on every rank."""
    now = torch.tensor(int(time.time() * 1000), dtype=torch.int64, device=device)
    distutils.broadcast(now, 0)
    moment = datetime.datetime.fromtimestamp(now.item() / 1000)
    text = moment.strftime("%Y-%m-%d-%H-%M-%S-") + f"{moment.microsecond // 1000:03d}"
    return f"{text}-{suffix}" if suffix else text
