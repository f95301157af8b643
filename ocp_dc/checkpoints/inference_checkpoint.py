"""Read inference checkpoints of fairchem 2 as data, and write files that fairchem 2 reads. Needs no fairchem."""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ocp_dc.checkpoints.code_names import check_names
from ocp_dc.checkpoints.stored_objects import CHECKPOINT_CLASS, STAND_INS, StoredCheckpoint, plain_config
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing
from ocp_dc.training.checkpoint_check import check_finite
from ocp_dc.training.plain_content import check_containers
from ocp_dc.training.safe_torch import load_torch

FIELDS = ("model_config", "tasks_config", "model_state_dict", "ema_state_dict")
COUNT = "n_averaged"  # of an averaged model, beside the weights, whose names begin with PREFIX
PREFIX = "module."


@dataclasses.dataclass(frozen=True)
class InferenceCheckpoint:
    """The content of an inference checkpoint, as plain data and tensors.

    Args:
        model_config: the config from which hydra builds the model.
        tasks_config: the config of each task: an output with its normalizer, references and data sets.
        model_state_dict: the last weights.
        ema_state_dict: the averaged weights, with which fairchem predicts; the names begin with ``module.``.
    """

    model_config: dict[str, Any]
    tasks_config: list[dict[str, Any]]
    model_state_dict: dict[str, Tensor]
    ema_state_dict: dict[str, Tensor]

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights with which fairchem predicts, by their names in the model."""
        return {name.removeprefix(PREFIX): value for name, value in self.ema_state_dict.items() if name != COUNT}


def read_inference_checkpoint(path: str | Path, trust_modules: Iterable[str] = ()) -> InferenceCheckpoint:
    """Read an inference checkpoint as data: nothing in it runs, and its configs name no code that may not run.

    Args:
        path: the file, such as ``results/best_inference_ckpt.pt``, of fairchem or ocp_dc.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.

    Raises:
        UnsafeDataError: the file holds more than tensors and plain values, or names untrusted code; see
            :mod:`ocp_dc.checkpoints.code_names`.
        UserError: the file does not exist, is not an inference checkpoint, is damaged, or has weights that are not
            finite.
    """
    return to_inference_checkpoint(read_stored(path), f"checkpoint {path}", trust_modules)


def read_stored(path: str | Path) -> Any:
    """Return the content of a checkpoint of any version of fairchem, with stand-ins for the classes of fairchem 2.

    Raises:
        UserError: the file does not exist, is damaged, or is of another kind.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"checkpoint {path}: is a folder, expected a file such as {path / 'inference_ckpt.pt'}")
    return load_torch(path, stand_ins=STAND_INS)


def to_inference_checkpoint(content: Any, where: str, trust_modules: Iterable[str] = ()) -> InferenceCheckpoint:
    """Return a checkpoint of what :func:`read_stored` returned; see :func:`read_inference_checkpoint` for the rest."""
    parts = _parts(content, where)
    model_config = plain_config(parts["model_config"], f"{where}: its model_config")
    tasks_config = plain_config(parts["tasks_config"], f"{where}: its tasks_config")
    if not isinstance(model_config, dict) or not isinstance(model_config.get("_target_"), str):
        raise UserError(f"{where}: its model_config names no model (_target_); it is damaged")
    if not isinstance(tasks_config, list) or not all(isinstance(task, dict) for task in tasks_config):
        raise UserError(f"{where}: its tasks_config is not a list of tasks; it is damaged")
    check_names(model_config, where, "model", trust_modules)
    for index, task in enumerate(tasks_config):
        check_names(task, where, f"tasks.{index}", trust_modules)
        _check_normalizer(task, f"{where}: task {task.get('name')!r:.50}")
    weights = _weights(parts["model_state_dict"], "model_state_dict", where)
    averages = _weights(parts["ema_state_dict"], "ema_state_dict", where)
    return InferenceCheckpoint(model_config, tasks_config, weights, averages)


def write_inference_checkpoint(checkpoint: InferenceCheckpoint, path: str | Path) -> None:
    """Write a checkpoint atomically, in the form that fairchem 2 reads, with plain containers.

    Raises:
        WriteError: the file cannot be written.
    """
    stored = StoredCheckpoint()
    stored.__dict__.update({field.name: getattr(checkpoint, field.name) for field in dataclasses.fields(checkpoint)})
    pickling = ModuleType("pickling")
    pickling.Pickler = _Pickler  # type: ignore[attr-defined]
    with replacing(path) as new:
        torch.save(stored, new, pickle_module=pickling)


_PythonPickler: Any = pickle._Pickler  # unlike the one in C, it has a method for the names of classes


class _Pickler(_PythonPickler):
    """Write the name of fairchem's class for our stand-in, so that fairchem need not be installed."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is not StoredCheckpoint:
            super().save_global(obj, name)
            return
        module, _, last = CHECKPOINT_CLASS.rpartition(".")
        self.write(pickle.GLOBAL + f"{module}\n{last}\n".encode())
        self.memoize(obj)


def _parts(content: Any, where: str) -> dict[str, Any]:
    """Return the fields of the stored dataclass."""
    if isinstance(content, dict) and {"state_dict", "config"} <= set(content):
        raise UserError(
            f"{where}: is a checkpoint of fairchem 1; `ocp-dc convert {where.removeprefix('checkpoint ')} OUT.pt` "
            "makes a checkpoint of fairchem 2 of it"
        )
    state = content.state if isinstance(content, StoredCheckpoint) else None
    if not isinstance(state, dict) or not set(FIELDS) <= set(state):
        raise UserError(
            f"{where}: holds a {type(content).__name__}, expected an inference checkpoint of fairchem 2, such as "
            "inference_ckpt.pt or best_inference_ckpt.pt"
        )
    return state


def _weights(state: Any, name: str, where: str) -> dict[str, Tensor]:
    if name == "ema_state_dict" and not state:
        raise UserError(
            f"{where}: holds no averaged weights, with which fairchem 2 predicts; train with ema_decay, a number"
        )
    check_containers(state, where)
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise UserError(f"{where}: its {name} holds something other than tensors by name; it is damaged")
    for key, value in state.items():
        if not key.endswith(".gain"):  # NaN until fitted; gains.check_fitted has the better message
            check_finite(key, value, where)
    return dict(state)


def _check_normalizer(task: Mapping[str, Any], where: str) -> None:
    normalizer = task.get("normalizer")
    if not isinstance(normalizer, Mapping):
        return
    for key in ("mean", "rmsd"):
        value = normalizer.get(key, 1.0)
        if type(value) in (int, float) and not (math.isfinite(value) and (key == "mean" or value > 0)):
            raise UserError(f"{where}: normalizer.{key} is {value}, expected a finite number; it is damaged")
