"""Saving and loading the state of a training, so that a resumed run ends where the uninterrupted one ends."""

from __future__ import annotations

import logging
import math
import shutil
from pathlib import Path
from typing import Any

import torch
from fairchem.core.common import distutils
from fairchem.core.common.utils import match_state_dict
from fairchem.core.modules.normalization.element_references import create_element_references
from fairchem.core.modules.normalization.normalizer import create_normalizer
from fairchem.core.modules.scaling.compat import load_scales_compat

from ocp_dc import __version__
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing
from ocp_dc.fairchem1.checks.model_check import check_complete, check_same_model, same_kind
from ocp_dc.fairchem1.train import checkpoints, scale_factors
from ocp_dc.fairchem1.train.resume_with import config_rules
from ocp_dc.labels import LabelRescaling
from ocp_dc.training import optimizer_state, schedule
from ocp_dc.training.plain import plain
from ocp_dc.training.validation_log import ValidationLog


def save(trainer: Any, metrics: Any, checkpoint_file: str, training_state: bool) -> str | None:
    """Write a checkpoint from the first rank.

    Args:
        trainer: the trainer.
        metrics: the metrics to store with it.
        checkpoint_file: file name within the checkpoint folder.
        training_state: with all that a resume needs; else the averaged weights alone.

    Returns:
        the path, or None where nothing was written.
    """
    if trainer.is_debug or not distutils.is_master():
        return None
    path = Path(trainer.config["cmd"]["checkpoint_dir"], checkpoint_file)
    rescaling = trainer.label_rescaling
    state: dict[str, Any] = {
        "normalizers": {name: module.state_dict() for name, module in trainer.normalizers.items()},
        "elementrefs": {name: module.state_dict() for name, module in trainer.elementrefs.items()},
        "config": plain(trainer.config),
        "val_metrics": plain(metrics),
        "amp": trainer.scaler.state_dict() if trainer.scaler else None,
        "label_rescaling": None if rescaling is None else rescaling.state_dict(),
        "ocp_dc_version": __version__,
    }
    if rescaling is not None:
        state["normalizers"] |= checkpoints.stock_normalizers(rescaling)
        state["elementrefs"] |= checkpoints.stock_references(rescaling)
    if not training_state:
        with trainer.ema_weights():
            checkpoints.write_checkpoint({"state_dict": trainer.model.state_dict(), **state}, path)
        return str(path)
    inner = getattr(trainer.scheduler, "scheduler", None)
    state |= {
        "state_dict": trainer.model.state_dict(),
        "epoch": trainer.epoch,
        "step": trainer.step,
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": None if inner is None else inner.state_dict(),
        "ema": None if trainer.ema is None else {**trainer.ema.state_dict(), "collected_params": []},
        "best_val_metric": trainer.best_val_metric,
        "primary_metric": trainer.evaluation_metrics["primary_metric"],
        "evaluations_since_best": trainer.evaluations_since_best,
        "loss_sums": trainer.running_means.state_dict(),
        "random_states": trainer.random_states,
    }
    checkpoints.write_checkpoint(state, path)
    return str(path)


def load(trainer: Any, path: str, checkpoint: dict[str, Any] | None, inference_only: bool) -> None:
    """Take a checkpoint over into the trainer; its label rescaling wins over the config's.

    Args:
        trainer: the trainer.
        path: the checkpoint file.
        checkpoint: its content, where it was read already.
        inference_only: leave the state of the training alone, and take the averaged weights where there are any.

    Raises:
        UserError: the file is missing, damaged or hostile, or belongs to another model.
    """
    device = torch.device("cpu") if trainer.cpu else trainer.device
    if checkpoint is None:
        logging.info(f"loading checkpoint {path}")
        checkpoint = checkpoints.read_checkpoint(path, device)
    strict = trainer.config["task"].get("strict_load", True)
    check_same_model(trainer._unwrapped_model, trainer.config["model"], checkpoint, path, strict)
    if inference_only:
        check_complete(trainer._unwrapped_model, checkpoint["state_dict"], path)
    scale_factors.reset(trainer._unwrapped_model)  # the checkpoint's belong to its weights
    trainer.model.load_state_dict(match_state_dict(trainer.model.state_dict(), checkpoint["state_dict"]), strict=strict)
    if checkpoint.get("scale_dict"):
        load_scales_compat(trainer._unwrapped_model, checkpoint["scale_dict"])
    _load_averages(trainer, checkpoint, inference_only)
    _load_labels(trainer, checkpoint)
    trainer.checkpoint_loaded = True
    if trainer.scaler and checkpoint.get("amp"):
        trainer.scaler.load_state_dict(checkpoint["amp"])
    if inference_only:
        return
    trainer.resumed_from = Path(path)
    trainer.epoch = checkpoint.get("epoch", 0)
    trainer.step = _step(trainer, checkpoint.get("step", 0))
    if "optimizer" in checkpoint:
        optimizer_state.load(trainer, checkpoint, keep_settings=config_rules())
        if checkpoint.get("primary_metric") == trainer.evaluation_metrics["primary_metric"]:
            trainer.best_val_metric = checkpoint.get("best_val_metric")
            trainer.evaluations_since_best = checkpoint.get("evaluations_since_best", 0)
    if checkpoint.get("scheduler") is not None and trainer.scheduler.scheduler_type != "Null":
        if trainer.step == checkpoint.get("step", 0) and not config_rules():
            schedule.warn_of_other_length(trainer.scheduler.scheduler, checkpoint["scheduler"])
            trainer.scheduler.scheduler.load_state_dict(checkpoint["scheduler"])
        else:
            schedule.move_to(trainer.scheduler.scheduler, trainer.step)
    if config_rules() and trainer.ema is not None:
        trainer.ema.decay = trainer.ema_decay
    trainer.random_states = checkpoint.get("random_states")
    # before there were terms it was one sum, of the whole loss
    sums = checkpoint.get("loss_sums", {"loss": checkpoint.get("loss_sum", (0.0, 0))})
    trainer.running_means.load_state_dict(sums)


def _step(trainer: Any, saved: int) -> int:
    """Return the step at which a checkpoint's epoch stands here: more ranks or larger batches make fewer steps."""
    if trainer.train_loader is None:
        return saved
    per_epoch = len(trainer.train_loader)
    step = math.floor(trainer.epoch * per_epoch + 1e-6)
    if step != saved:
        logging.warning(
            f"the checkpoint stands at step {saved}, epoch {trainer.epoch:g}; here an epoch has {per_epoch} steps, so "
            f"that the run goes on from step {step}, with the schedule of the config"
        )
    return step


def _load_averages(trainer: Any, checkpoint: dict[str, Any], inference_only: bool) -> None:
    """Bring the averaged weights back; without any in the checkpoint the average starts at its weights."""
    averages = checkpoint.get("ema")
    trainable = [p for p in trainer.model.parameters() if p.requires_grad]
    if averages is not None and (inference_only or trainer.ema is not None):
        shapes = [tuple(value.shape) for value in averages["shadow_params"]]
        fit = shapes == [tuple(parameter.shape) for parameter in trainable]  # copying would broadcast
        if not fit or not all(map(same_kind, averages["shadow_params"], trainable)):
            raise UserError("the averaged weights (ema) of the checkpoint are not those of its model; it is damaged")
    if inference_only and averages is not None:
        with torch.no_grad():
            for parameter, value in zip(trainable, averages["shadow_params"], strict=True):
                parameter.copy_(value)
    elif trainer.ema is not None and averages is not None:
        trainer.ema.load_state_dict(averages)
    elif trainer.ema is not None:
        trainer.ema.shadow_params = [p.detach().clone() for p in trainer.model.parameters() if p.requires_grad]


def _load_labels(trainer: Any, checkpoint: dict[str, Any]) -> None:
    """Take over what brings predictions to physical units: ours, or fairchem's normalizers and references."""
    state = checkpoint.get("label_rescaling")
    if state is None and trainer.label_options is not None:
        logging.warning("the checkpoint was trained without label rescaling: the config's label_rescaling is ignored")
    trainer.set_label_rescaling(None if state is None else LabelRescaling.from_state_dict(state))
    ours = () if state is None else ("energy", "forces")  # the same numbers in fairchem's form
    names = {"target": "energy", "grad_target": "forces"}  # of checkpoints before fairchem 1.0
    for kind, create, modules in (
        ("normalizers", create_normalizer, trainer.normalizers),
        ("elementrefs", create_element_references, trainer.elementrefs),
    ):
        for name in ours:
            if modules.pop(name, None) is not None:
                logging.warning(f"the checkpoint holds label rescaling: the config's {kind} of {name} are ignored")
        for key, module_state in checkpoint.get(kind, {}).items():
            name = names.get(key, key)
            if name not in ours:
                modules[name] = create(state_dict=module_state).to(trainer.device)


def gather_random_states(trainer: Any) -> None:
    """Collect the generators' states of every rank, for the checkpoint that the first one writes."""
    trainer.random_states = distutils.gather_objects(checkpoints.random_state())


def take_over(trainer: Any, log: ValidationLog) -> None:
    """Before the first step of a resumed run: random states, and the files of the run that it goes on with."""
    if trainer.resumed_from is None or trainer.step == 0:
        return
    states = trainer.random_states
    if states is None:
        logging.warning("the checkpoint holds no random states (fairchem wrote it): the resumed run is not exact")
    elif len(states) != distutils.get_world_size():
        logging.warning(f"the checkpoint is of {len(states)} ranks, this run has {distutils.get_world_size()}")
    else:
        checkpoints.set_random_state(states[distutils.get_rank()])
    if not log.enabled:
        return
    folder = trainer.resumed_from.parent  # RUN_DIR/checkpoints/ID, beside RUN_DIR/results/ID
    old_log = folder.parent.parent / "results" / folder.name / log.path.name
    _copy_if_there(old_log, log.path)
    _copy_if_there(folder / "best_checkpoint.pt", Path(trainer.config["cmd"]["checkpoint_dir"], "best_checkpoint.pt"))
    log.cut_after(trainer.step)


def _copy_if_there(source: Path, target: Path) -> None:
    if source.is_file() and not target.exists():
        with replacing(target) as new:
            shutil.copyfile(source, new)
