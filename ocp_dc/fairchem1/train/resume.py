"""Loading a checkpoint into the trainer: for a resumed run, exact to the last bit, or for predictions."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from fairchem.core.common.utils import match_state_dict
from fairchem.core.modules.normalization.element_references import create_element_references
from fairchem.core.modules.normalization.normalizer import create_normalizer
from fairchem.core.modules.scaling.compat import load_scales_compat

from ocp_dc.core.files import replacing
from ocp_dc.fairchem1.checks.model_check import check_complete, check_same_model
from ocp_dc.fairchem1.train import checkpoints, scale_factors
from ocp_dc.fairchem1.train.loss_and_metrics import RESCALED
from ocp_dc.fairchem1.train.resume_with import same_losses, uses_given_settings
from ocp_dc.training.extension import Extension
from ocp_dc.training.resume import Resume

if TYPE_CHECKING:
    from ocp_dc.fairchem1.trainer import DCTrainer

OLD_NAMES = {"target": "energy", "grad_target": "forces"}  # in checkpoints before fairchem 1.0


def load(trainer: DCTrainer, path: str, checkpoint: dict[str, Any] | None, inference_only: bool) -> None:
    """Load a checkpoint into the trainer; its label rescaling takes precedence over the config's.

    Args:
        trainer: the trainer.
        path: the checkpoint file.
        checkpoint: its content, where it was read already.
        inference_only: do not load the progress of the run, and use the averaged weights if there are any.

    Raises:
        UserError: the file is missing, damaged or hostile, or belongs to another model.
    """
    state = trainer.state
    if checkpoint is None:
        logging.info(f"loading checkpoint {path}")
        checkpoint = checkpoints.read_checkpoint(path, torch.device("cpu") if trainer.cpu else trainer.device)
    strict = trainer.config["task"].get("strict_load", True)
    check_same_model(state.bare_model, trainer.config["model"], checkpoint, path, strict)
    if inference_only:
        check_complete(state.bare_model, checkpoint["state_dict"], path)
    scale_factors.reset(state.bare_model)  # the checkpoint's belong to its weights
    matched = match_state_dict(state.model.state_dict(), checkpoint["state_dict"])
    state.load_model(
        {**checkpoint, "state_dict": matched},
        strict=strict,
        averaged=inference_only,
        keep_settings=uses_given_settings() and not inference_only,
    )
    if checkpoint.get("scale_dict"):
        load_scales_compat(state.bare_model, checkpoint["scale_dict"])
    if state.label_rescaling is None and trainer.label_options is not None:
        logging.warning("the checkpoint was trained without label rescaling: the config's label_rescaling is ignored")
    trainer.set_label_rescaling(state.label_rescaling)
    ours = () if state.label_rescaling is None else RESCALED  # the same numbers in fairchem's form
    for kind, create, modules in (
        ("normalizers", create_normalizer, trainer.normalizers),
        ("elementrefs", create_element_references, trainer.elementrefs),
    ):
        _load_stock(kind, create, modules, checkpoint.get(kind, {}), ours, trainer.device)
    trainer.checkpoint_loaded = True
    if inference_only:
        return
    trainer.resumed_from = Path(path)
    optim, per_epoch = trainer.config["optim"], None if trainer.train_loader is None else len(trainer.train_loader)
    resume = Resume(
        steps_per_epoch=per_epoch,
        keep_settings=uses_given_settings(),
        saved_optimizer=(checkpoint["config"].get("optim") or {}).get("optimizer", "AdamW"),
        extension=Extension.from_block(optim.get("extension"), "optim.extension"),
        total_steps=0 if per_epoch is None else trainer.run_steps.total,
    )
    state.load_progress(checkpoint, resume)
    if state.primary_metric == "loss" and not same_losses(checkpoint["config"], trainer.config):
        state.forget_best("the run resumes with other loss functions")
    if state.scheduler is not None:
        trainer.scheduler.scheduler = state.scheduler


def _load_stock(
    kind: str,
    create: Any,
    modules: dict[str, torch.nn.Module],
    saved: Mapping[str, Any],
    ours: tuple[str, ...],
    device: torch.device,
) -> None:
    """Take over fairchem's normalizers or references, but for the outputs whose labels we rescale.

    Args:
        kind: ``normalizers`` or ``elementrefs``.
        create: makes one of its state.
        modules: those of the config, which are changed.
        saved: the states of the checkpoint, by output.
        ours: the outputs that label rescaling brings to physical units.
        device: where they go.
    """
    for name in ours:
        if modules.pop(name, None) is not None:
            logging.warning(f"the checkpoint holds label rescaling: the config's {kind} of {name} are ignored")
    for key, module_state in saved.items():
        name = OLD_NAMES.get(key, key)
        if name not in ours:
            modules[name] = create(state_dict=module_state).to(device)


def copy_run_files(checkpoint: Path, log: Path, checkpoint_dir: Path) -> None:
    """Copy the validations and the best checkpoint of the resumed run if this run has none yet.

    Args:
        checkpoint: the file from which the run resumes, RUN_DIR/checkpoints/ID/NAME.
        log: the CSV file of validations of this run; that of the resumed run is in RUN_DIR/results/ID.
        checkpoint_dir: the folder of checkpoints of this run.
    """
    folder = checkpoint.parent
    _copy_if_there(folder.parent.parent / "results" / folder.name / log.name, log)
    _copy_if_there(folder / "best_checkpoint.pt", checkpoint_dir / "best_checkpoint.pt")


def _copy_if_there(source: Path, target: Path) -> None:
    if source.is_file() and not target.exists():
        with replacing(target) as new:
            shutil.copyfile(source, new)
