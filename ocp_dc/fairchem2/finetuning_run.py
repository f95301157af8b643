"""Fine-tuning with fairchem 2: the checkpoint that a run starts from, and its config."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from ocp_dc.checkpoints.from_fairchem2 import task_references, task_scaling
from ocp_dc.checkpoints.inference_checkpoint import read_inference_checkpoint, write_inference_checkpoint
from ocp_dc.checkpoints.to_fairchem2 import references_block
from ocp_dc.core.config_names import configs_folder
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import write_text
from ocp_dc.core.yaml_config import yaml_text
from ocp_dc.fairchem2.train.extension_config import last_checkpoint
from ocp_dc.labels import LabelRescaling
from ocp_dc.training.finetuning import EMA_DECAY, FineTuning
from ocp_dc.training.run_files import RunFiles


def write_start(checkpoint: Path, start: Path, shift: Tensor, trust_modules: Sequence[str] = ()) -> None:
    """Write the checkpoint from which a run starts; see :meth:`ocp_dc.hosts.Host.write_start`."""
    stored, where = read_inference_checkpoint(checkpoint, trust_modules), f"checkpoint {checkpoint}"
    energy = _task(stored.tasks_config, "energy", where)
    references = LabelRescaling(1.0, references=task_references(energy, where)).shifted(shift).references
    assert references is not None
    changed = {**energy, "element_references": references_block(references)}
    tasks = [changed if task is energy else task for task in stored.tasks_config]
    write_inference_checkpoint(dataclasses.replace(stored, tasks_config=tasks), start)


def _task(tasks: Sequence[dict[str, Any]], name: str, where: str) -> dict[str, Any]:
    """Return the task of a property."""
    found = [task for task in tasks if task.get("property") == name]
    if len(found) != 1:
        raise UserError(
            f"{where}: has {len(found)} tasks of {name}, of the data sets {[task.get('datasets') for task in found]}; "
            "expected one. Give it a new head: ocp-dc main -c fairchem2/finetune checkpoint=FILE data_dir=DIR "
            "'++model.datasets={data: omol}'"
        )
    return found[0]


def finetuning_arguments(start: Path, run: RunFiles, tuning: FineTuning) -> list[str]:
    """Write the config of a run, and return the arguments of ``main``."""
    path = start.with_name("finetune.yaml")
    write_text(path, f"# @package _global_\n{tuning.comment(start)}{yaml_text(_config(start, run, tuning))}")
    return ["-c", str(path)]


def _config(start: Path, run: RunFiles, tuning: FineTuning) -> dict[str, Any]:
    device = "CPU" if tuning.cpu or not torch.cuda.is_available() else "CUDA"
    model: dict[str, Any] = {
        "_target_": "ocp_dc.fairchem2.finetune.dc_finetuning_model",
        "checkpoint": str(start),
        "heads": None,
    }
    if tuning.trainable is not None:
        model["trainable"] = tuning.trainable if isinstance(tuning.trainable, str) else list(tuning.trainable)
    last, where = last_checkpoint(run), f"checkpoint {start}"
    stored = read_inference_checkpoint(start).tasks_config
    config = {
        "defaults": ["/fairchem2/_base", "_self_"],
        "data_dir": str(tuning.data),
        "epochs": tuning.epochs,
        "seed": tuning.seed,
        "batch_size": tuning.batch_size,
        "lr": tuning.rate,
        "ema_decay": EMA_DECAY,
        "label_rescaling": {"scale": task_scaling(_task(stored, "energy", where), where).scale},
        "job": {
            "device_type": device,
            "run_dir": str(run.out),
            "timestamp_id": run.name,
            **({} if last is None else {"runner_state_path": str(last)}),
        },
        "model": model,
        "tasks": _tasks(stored, where),
    }
    return config if (tuning.data / "test").exists() else {**config, "test_dataloader": None}


def _tasks(stored: Sequence[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    """Return the tasks of the base config with the scales and the references of a checkpoint."""
    base: list[dict[str, Any]] = yaml.safe_load((configs_folder() / "fairchem2" / "_base.yaml").read_text())["tasks"]
    energy = task_scaling(_task(stored, "energy", where), where)
    for task in base:
        found = _task(stored, task["property"], where)
        scaling = task_scaling(found, where)
        scale = "${label_rescaling.scale}" if scaling.scale == energy.scale else scaling.scale
        task["normalizer"] = {**task["normalizer"], "mean": scaling.mean, "rmsd": scale}
        if (references := task_references(found, where)) is not None:
            task["element_references"] = references_block(references)
    return base
