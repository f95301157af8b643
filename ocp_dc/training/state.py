"""The state of a training run: everything that changes from step to step and is needed to resume exactly."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from ocp_dc.labels import LabelRescaling
from ocp_dc.training import optimizer_state, schedule
from ocp_dc.training.averages import AveragedWeights, check_averages, copy_averages, trainable
from ocp_dc.training.extension import AFTER, ExtendedSchedule, begins, begun, extended_schedule, is_extended
from ocp_dc.training.resume import Resume
from ocp_dc.training.running_means import RunningMeans


@dataclasses.dataclass(eq=False)
class TrainingState:
    """The values that change during a training run.

    The entries of :meth:`state_dict` are those of the first version, ``compiled`` and ``extended_after``. Checkpoints
    of every version, and of fairchem itself, can be loaded.

    Args:
        model: the network, in DistributedDataParallel if there are several ranks; empty until the host has built it.
        optimizer: the optimizer; None without training.
        scheduler: the learning-rate schedule of torch; None for a constant rate.
        ema: the average of the weights over steps; None without one, and while its values are in the model.
        unused_averages: averages of a checkpoint that this run does not continue; predictions use them, since the
            checkpoint was validated with them, and training drops them.
        scaler: the gradient scaler of mixed precision; None without mixed precision.
        step: optimizer steps so far, including the step in progress.
        epoch: epochs so far, with a fraction.
        label_rescaling: center and constant C of the labels; None if labels are in physical units.
        random_states: the random states of each rank at the last checkpoint.
        primary_metric: the name of the metric that selects the best weights.
        best_metric: its best value so far; None before the first validation.
        evaluations_since_best: the number of validations since then.
        running_means: the running means of the losses.
        compiled: whether ``dc.accelerate: auto`` compiles the model; None until it is decided. The decision depends on
            the time of a step, and a resumed run keeps it.
        extended_after: the epochs of the run before the extension that has begun; None without one.
    """

    model: nn.Module = dataclasses.field(default_factory=nn.Module)
    optimizer: Optimizer | None = None
    scheduler: LRScheduler | None = None
    ema: AveragedWeights | None = None
    unused_averages: list[torch.Tensor] | None = None
    scaler: torch.amp.GradScaler | None = None
    step: int = 0
    epoch: float = 0
    label_rescaling: LabelRescaling | None = None
    random_states: list[dict[str, Any]] | None = None
    primary_metric: str = "loss"
    best_metric: float | None = None
    evaluations_since_best: int = 0
    running_means: RunningMeans = dataclasses.field(default_factory=RunningMeans)
    compiled: bool | None = None
    extended_after: float | None = None

    @property
    def bare_model(self) -> nn.Module:
        """The network without DistributedDataParallel."""
        model = self.model
        while isinstance(model, DistributedDataParallel):
            model = model.module
        return model

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step, for the first parameter group and without its factor."""
        if self.optimizer is None:
            raise ValueError("there is no optimizer, so there is no learning rate")
        group = self.optimizer.param_groups[0]
        return float(group["lr"] / group.get("lr_factor", 1))

    def take_metric(self, value: float, higher_is_better: bool = False) -> bool:
        """Record the primary metric of a validation, and return whether it is the best so far.

        Args:
            value: the value of the metric.
            higher_is_better: whether higher values are better.
        """
        sign = -1.0 if higher_is_better else 1.0
        if not math.isnan(value) and (self.best_metric is None or sign * value < sign * self.best_metric):
            self.best_metric = value
            self.evaluations_since_best = 0
            return True
        self.evaluations_since_best += 1
        return False

    def forget_best(self, why: str) -> None:
        """Begin anew with the best metric, with a warning, since its value so far is of another quantity.

        Args:
            why: the reason, as the first part of a sentence.
        """
        if self.best_metric is None:
            return
        logging.warning(
            f"{why}: the best {self.primary_metric} so far, {self.best_metric:.4g}, cannot be compared with those to "
            "come, and the best checkpoint is chosen anew, from the next validation on"
        )
        self.best_metric, self.evaluations_since_best = None, 0

    def weights_dict(self) -> dict[str, Any]:
        """Return the entries of a checkpoint for prediction; within ``averaged_weights`` they hold the averages."""
        return {
            "state_dict": self.model.state_dict(),
            "amp": None if self.scaler is None else self.scaler.state_dict(),
            "label_rescaling": None if self.label_rescaling is None else self.label_rescaling.state_dict(),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the entries of a checkpoint from which a training run can be resumed."""
        return {
            **self.weights_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "optimizer": None if self.optimizer is None else self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "ema": None if self.ema is None else {**self.ema.state_dict(), "collected_params": []},
            "best_val_metric": self.best_metric,
            "primary_metric": self.primary_metric,
            "evaluations_since_best": self.evaluations_since_best,
            "loss_sums": self.running_means.state_dict(),
            "random_states": self.random_states,
            "compiled": self.compiled,
            AFTER: self.extended_after,
        }

    def load_state_dict(self, saved: Mapping[str, Any], resume: Resume | None = None) -> None:
        """Load what :meth:`state_dict` returned.

        Args:
            saved: the entries of a checkpoint; further ones are ignored.
            resume: the settings of the resume.
        """
        resume = resume or Resume()
        self.load_model(saved, keep_settings=resume.keep_settings)
        self.load_progress(saved, resume)

    def load_model(
        self, saved: Mapping[str, Any], *, strict: bool = True, averaged: bool = False, keep_settings: bool = False
    ) -> None:
        """Load weights, averages, label rescaling and gradient scaler.

        Args:
            saved: the entries of a checkpoint.
            strict: refuse weights with other names than the model's.
            averaged: put the averages, if there are any, into the model, for predictions.
            keep_settings: keep this run's decay of the average.

        Raises:
            UserError: the averages are not those of the model.
        """
        self.model.load_state_dict(saved["state_dict"], strict=strict)
        self._load_averages(saved.get("ema"), averaged, keep_settings)
        rescaling = saved.get("label_rescaling")
        self.label_rescaling = None if rescaling is None else LabelRescaling.from_state_dict(rescaling)
        if self.scaler is not None and saved.get("amp"):
            self.scaler.load_state_dict(saved["amp"])

    def load_progress(self, saved: Mapping[str, Any], resume: Resume) -> None:
        """Load the progress: step, optimizer, schedule, best metric, random states and means.

        A checkpoint of weights alone, such as a best checkpoint, has none of these; a new training run starts from it.

        Args:
            saved: the entries of a checkpoint.
            resume: the settings of the resume.
        """
        saved_step = saved.get("step", 0)
        self.epoch = saved.get("epoch", 0)
        self.step = self._step_here(saved_step, resume.steps_per_epoch)
        if "optimizer" in saved:
            self._load_optimizer(saved["optimizer"], resume)
            if saved.get("primary_metric") == self.primary_metric:
                self.best_metric = saved.get("best_val_metric")
                self.evaluations_since_best = saved.get("evaluations_since_best", 0)
        self.extended_after = begun(saved, saved.get("scheduler"))
        begin = begins(resume.extension, self.extended_after)
        if saved.get("scheduler") is not None and self.scheduler is not None:
            self._load_schedule(saved["scheduler"], resume, begin, moved=self.step != saved_step)
        if resume.extension is not None and begin:
            self.scheduler = extended_schedule(self.scheduler, resume.extension, resume.total_steps - self.step)
            self.extended_after = resume.extension.after
            self.evaluations_since_best = 0
        self.random_states = saved.get("random_states")
        self.compiled = saved.get("compiled")
        # earlier versions stored a single sum, of the total loss
        self.running_means.load_state_dict(saved.get("loss_sums", {"loss": saved.get("loss_sum", (0.0, 0))}))

    def _load_schedule(self, saved: Mapping[str, Any], resume: Resume, begin: bool, moved: bool) -> None:
        """Load the schedule, or lay that of the config out for a run with other settings or other steps per epoch.

        Args:
            saved: the state of the schedule.
            resume: the settings of the resume.
            begin: whether an extension begins, which needs the schedule as it was.
            moved: whether the checkpoint is at another step of this run than of its own.
        """
        assert self.scheduler is not None
        if not begin and resume.extension is not None and is_extended(saved):
            left = resume.total_steps - self.step if moved else None
            self.scheduler = ExtendedSchedule.resumed(self.scheduler.optimizer, saved, left)
        elif begin or not (moved or resume.keep_settings):
            self.scheduler = schedule.loaded(self.scheduler, saved, warns=not begin)
        elif isinstance(self.scheduler, ReduceLROnPlateau) and not resume.keep_settings:
            self.scheduler.load_state_dict(dict(saved))  # it follows the validations, not the steps
        else:
            schedule.move_to(self.scheduler, self.step)

    def _step_here(self, saved_step: int, steps_per_epoch: int | None) -> int:
        """Return this run's step at the checkpoint's epoch; more ranks or larger batches give fewer steps per epoch."""
        if steps_per_epoch is None:
            return saved_step
        step = math.floor(self.epoch * steps_per_epoch + 1e-6)
        if step != saved_step:
            logging.warning(
                f"the checkpoint is of step {saved_step}, epoch {self.epoch:g}; here an epoch has {steps_per_epoch} "
                f"steps, so that the run resumes from step {step}, with the schedule of the config"
            )
        return step

    def _load_averages(self, averages: dict[str, Any] | None, averaged: bool, keep_settings: bool) -> None:
        """Load the averages; if the checkpoint has none, the average starts at its weights."""
        self.unused_averages = None
        if averages is not None:
            check_averages(averages["shadow_params"], self.model)
        if averaged and averages is not None:
            copy_averages(averages["shadow_params"], self.model)
        elif self.ema is not None and averages is not None:
            self.ema.load_state_dict({**averages, "decay": self.ema.decay} if keep_settings else averages)
        elif averages is not None:
            self.unused_averages = list(averages["shadow_params"])
        elif self.ema is not None:
            self.ema.shadow_params = [parameter.detach().clone() for parameter in trainable(self.model)]

    def _load_optimizer(self, saved: dict[str, Any], resume: Resume) -> None:
        if self.optimizer is None:
            return
        if not resume.keep_settings:
            self.optimizer.load_state_dict(saved)
            return
        exempt = tuple(getattr(self.bare_model, "no_weight_decay", tuple)())
        named = list(self.bare_model.named_parameters())
        optimizer_state.take_moments(self.optimizer, saved, resume.saved_optimizer, named, exempt)
