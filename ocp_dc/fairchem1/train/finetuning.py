"""Fine-tuning with fairchem 1.10: the checkpoint that a run starts from, and its config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocp_dc.core.files import write_text
from ocp_dc.core.yaml_config import yaml_text
from ocp_dc.fairchem1.infer.inference import load_trainer
from ocp_dc.fairchem1.train.checkpoints import host_entries, read_checkpoint, write_checkpoint
from ocp_dc.fairchem1.train.transform import TRANSFORM_NAME
from ocp_dc.fairchem1.trainer import DCTrainer
from ocp_dc.labels import LabelRescaling
from ocp_dc.training.finetuning import EMA_DECAY, FineTuning
from ocp_dc.training.plain import as_plain_data
from ocp_dc.training.run_files import RunFiles


def write_start(checkpoint: Path, start: Path, shift: Tensor, trust_modules: Sequence[str] = ()) -> None:
    """Write the checkpoint from which a run starts; see :meth:`ocp_dc.hosts.Host.write_start`.

    Labels of a stock checkpoint that scales energies and forces alike are rescaled by us from then on. Another one
    keeps fairchem's normalizers.
    """
    trainer = load_trainer(checkpoint, cpu=True, trust_modules=trust_modules)
    state, references = trainer.state, {}
    found = _rescaling(trainer)
    if found is not None:
        state.label_rescaling = found.shifted(shift)
    else:
        stock = trainer.elementrefs.get("energy")
        table = None if stock is None else stock.element_references.double().cpu()
        shifted = LabelRescaling(1.0, references=table).shifted(shift)
        every = torch.full((119,), torch.nan)
        assert shifted.references is not None
        every[: len(shifted.references)] = shifted.references.float()
        references = {"energy": {"element_references": every}}
    config = {
        **trainer.config,
        "dataset": {**trainer.config["dataset"], "transforms": _transforms(state.label_rescaling)},
    }
    entries = host_entries(config, None, trainer.normalizers, trainer.elementrefs, state.label_rescaling)
    entries["elementrefs"] |= references
    write_checkpoint({**entries, **state.weights_dict()}, start)


def _rescaling(trainer: DCTrainer) -> LabelRescaling | None:
    """Return center and scale of a checkpoint, if energies and forces have one scale; else None."""
    if trainer.state.label_rescaling is not None:
        return trainer.state.label_rescaling
    energy, forces = (trainer.normalizers.get(name) for name in ("energy", "forces"))
    scale, mean = (1.0, 0.0) if energy is None else (float(energy.rmsd), float(energy.mean))
    other = (1.0, 0.0) if forces is None else (float(forces.rmsd), float(forces.mean))
    if other != (scale, 0.0):
        return None
    stock = trainer.elementrefs.get("energy")
    return LabelRescaling(scale, mean, None if stock is None else stock.element_references.double().cpu())


def _transforms(rescaling: LabelRescaling | None) -> dict[str, Any]:
    return {} if rescaling is None else {TRANSFORM_NAME: {"center": "composition", "scale": rescaling.scale}}


def finetuning_arguments(start: Path, run: RunFiles, tuning: FineTuning) -> list[str]:
    """Write the config of a run, and return the arguments of ``main``."""
    path = start.with_name("finetune.yml")
    write_text(path, tuning.comment(start) + yaml_text(_config(start, tuning)))
    flags = ["--mode", "train", "--config-yml", str(path), *(["--cpu"] if tuning.cpu else [])]
    flags += ["--run-dir", str(run.out), "--timestamp-id", run.name, "--seed", str(tuning.seed)]
    flags += ["--print-every", "40"]
    return [*flags, *([] if run.state.is_file() else ["--checkpoint", str(start)])]


def _config(start: Path, tuning: FineTuning) -> dict[str, Any]:
    saved = read_checkpoint(start, "cpu")["config"]
    train: dict[str, Any] = {"src": str(tuning.data / "train")}
    if transforms := saved["dataset"]["transforms"]:
        train["transforms"] = transforms
    test = tuning.data / "test"
    return {
        "includes": ["md17/_base.yml"],
        "model": as_plain_data(saved["model"]),
        "dataset": {
            "train": train,
            "val": {"src": str(tuning.data / "val")},
            "test": {"src": str(test) if test.exists() else None},
        },
        "optim": {
            "batch_size": tuning.batch_size,
            "eval_batch_size": 100,
            "num_workers": 0,
            "max_epochs": tuning.epochs,
            "optimizer": "Adam",
            "lr_initial": tuning.rate,
            "scheduler": "OneCycleLR",
            "ema_decay": EMA_DECAY,
            **({} if tuning.trainable is None else {"trainable": as_plain_data(tuning.trainable)}),
        },
    }
