"""Replace torch.load by safe readers in every module of fairchem that reads a file of torch.save."""

from __future__ import annotations

import copy
import importlib
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from fairchem.core.common.registry import registry
from fairchem.core.common.utils import load_state_dict, match_state_dict
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.train.checkpoints import read_checkpoint
from ocp_dc.training import model_size
from ocp_dc.training.safe_torch import load_torch

# keys of a checkpoint's config that a calculator would act on though they do not describe the model: they make it write
# to folders, read the pickled submission of a job, or exit early
NOT_FOR_PREDICTION = ("is_debug", "slurm", "local_rank")
_starting_points: ContextVar[tuple[Path, ...]] = ContextVar("starting_points", default=())


class SafeTorch:
    """Replacement for torch in a module of fairchem, with a safe ``load``."""

    is_safe = True

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


class _ForTrainers(SafeTorch):
    @staticmethod
    def load(file: Any, map_location: Any = None) -> Any:
        return read_checkpoint(file, map_location)


class _ForCalculators(SafeTorch):
    @staticmethod
    def load(file: Any, map_location: Any = None) -> Any:
        checkpoint = read_checkpoint(file, map_location)
        model_size.set_checkpoint(file)
        checkpoint["config"] = config_for_prediction(checkpoint["config"])
        return checkpoint


class _ForParts(SafeTorch):
    @staticmethod
    def load(file: Any, map_location: Any = None) -> Any:
        return load_torch(file, "file", map_location)


PLACES: dict[str, type[SafeTorch]] = {
    "common.relaxation.ase_utils": _ForCalculators,
    "trainers.base_trainer": _ForTrainers,
    "modules.scaling.compat": _ForParts,
    "modules.normalization._load_utils": _ForParts,
    "modules.normalization.normalizer": _ForParts,
    "modules.normalization.element_references": _ForParts,
}


def install() -> None:
    """Replace torch.load by the safe readers; a second call changes nothing."""
    for name, reader in PLACES.items():
        module: Any = importlib.import_module(f"fairchem.core.{name}")
        if not getattr(module.torch, "is_safe", False):
            module.torch = reader()
    calculator: Any = importlib.import_module("fairchem.core.common.relaxation.ase_utils").OCPCalculator
    if not hasattr(calculator.__init__, "is_bounded"):
        calculator.__init__ = model_size.with_size_bound(calculator.__init__)
    for name in ("common.utils", "models.base"):
        module = importlib.import_module(f"fairchem.core.{name}")
        module.load_model_and_weights_from_checkpoint = load_checkpoint_model


def config_for_prediction(config: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's config without the keys that a prediction must not act on."""
    kept = {key: value for key, value in config.items() if key not in NOT_FOR_PREDICTION}
    optim = {key: v for key, v in (config.get("optim") or {}).items() if key != "load_datasets_and_model_then_exit"}
    return {**kept, "optim": optim}


def load_checkpoint_model(checkpoint_path: str) -> nn.Module:
    """Return the model of a checkpoint with its weights, for ``finetune_config.starting_checkpoint``.

    The checkpoint may itself start from another one; each is read in the same safe way.

    Raises:
        UserError: a file is missing, damaged or hostile, or checkpoints start from one another in a circle.
    """
    path = Path(checkpoint_path).resolve()
    if path in _starting_points.get():
        raise UserError(f"finetune_config.starting_checkpoint {checkpoint_path}: starts from itself")
    token = _starting_points.set((*_starting_points.get(), path))
    try:
        checkpoint = read_checkpoint(checkpoint_path, "cpu")
        block = copy.deepcopy(checkpoint["config"]["model"])
        if not isinstance(block, dict):
            raise UserError(
                f"checkpoint {checkpoint_path}: has the layout of fairchem before 1.0, from which a run cannot start"
            )
        with model_size.bounded_by_checkpoint(path):
            model = registry.get_model_class(block.pop("name"))(**block)
        load_state_dict(model, match_state_dict(model.state_dict(), checkpoint["state_dict"]), strict=True)
        return model
    finally:
        _starting_points.reset(token)
