"""Fine-tuning with fairchem 2: the checkpoint that a run starts from, and its config."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocp_dc.checkpoints.from_fairchem2 import task_references, task_scaling
from ocp_dc.checkpoints.inference_checkpoint import read_inference_checkpoint, write_inference_checkpoint
from ocp_dc.checkpoints.to_fairchem2 import references_block
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
        **_tasks(stored, where),
    }
    return config if (tuning.data / "test").exists() else {**config, "test_dataloader": None}


def _tasks(stored: Sequence[dict[str, Any]], where: str) -> dict[str, Any]:
    """Return changes of the tasks of the base config: the scales and the references of a checkpoint."""
    found = {name: _task(stored, name, where) for name in ("energy", "forces")}
    scales = {name: task_scaling(task, where) for name, task in found.items()}
    changes: dict[str, Any] = {}
    for name, scaling in scales.items():
        scale = "${label_rescaling.scale}" if scaling.scale == scales["energy"].scale else scaling.scale
        changes[f"{name}_task"] = {"normalizer": {"mean": scaling.mean, "rmsd": scale}}
    references = task_references(found["energy"], where)
    assert references is not None  # write_start adds them
    changes["energy_task"]["element_references"] = references_block(references)
    return changes
