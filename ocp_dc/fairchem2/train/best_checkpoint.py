"""The inference checkpoint of the best validation, in the form of fairchem 2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from fairchem.core.common import distutils
from fairchem.core.units.mlip_unit.api.inference import MLIPInferenceCheckpoint
from omegaconf import OmegaConf
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from ocp_dc.core.files import replacing
from ocp_dc.fairchem2.train.run_folder import RunFolder
from ocp_dc.training.listeners import Listener, Metrics
from ocp_dc.training.state import TrainingState

PREFIX, COUNT = "module.", "n_averaged"  # names in an averaged model


class BestCheckpoint(Listener):
    """Write ``best_inference_ckpt.pt`` at each validation that is the best so far.

    fairchem's calculator reads it, and predicts with the averaged weights: those that were validated.

    Args:
        unit: the training unit.
        folder: the folder of the run.

    Attributes:
        step_of_best: the step of the best validation; None before the first one.
    """

    def __init__(self, unit: Any, folder: RunFolder) -> None:
        self._unit, self._folder = unit, folder
        self.step_of_best: int | None = None

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Write the checkpoint if the metric of this validation is the best so far; all ranks call this."""
        if metrics is None or state.evaluations_since_best:
            return
        self.step_of_best = state.step
        checkpoint = inference_checkpoint(self._unit, self._folder)
        if distutils.is_master():
            with replacing(self._folder.best) as new:
                torch.save(checkpoint, new)


def inference_checkpoint(unit: Any, folder: RunFolder) -> MLIPInferenceCheckpoint:
    """Return the inference checkpoint of the current weights, with plain containers.

    A fine-tuned model is described by the config of the model itself, without the step that made it from another
    checkpoint. Without a moving average, the weights take its place, since fairchem predicts with nothing else.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = get_model_state_dict(unit.model, options=options)
    if unit.ema_model is not None:
        averages = get_model_state_dict(unit.ema_model, options=options)
    else:
        averages = {**{PREFIX + name: value for name, value in weights.items()}, COUNT: torch.tensor(0)}
    config = folder.read_config().runner.train_eval_unit
    model_config = unit.get_finetune_model_config() or config.model
    return MLIPInferenceCheckpoint(
        model_config=_plain(model_config),
        model_state_dict=dict(weights),
        ema_state_dict=dict(averages),
        tasks_config=_plain(config.tasks),
    )


def read_averages(path: Path) -> dict[str, Tensor]:
    """Return the averaged weights of a checkpoint of :class:`BestCheckpoint` by their names in the model, as data."""
    with torch.serialization.safe_globals([MLIPInferenceCheckpoint]):
        averages: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True).ema_state_dict
    return {name.removeprefix(PREFIX): value for name, value in averages.items() if name != COUNT}


def _plain(config: Any) -> Any:
    """Return a config as plain containers; that of a fine-tuned model is a dictionary with configs in it."""
    return OmegaConf.to_container(OmegaConf.create(config), resolve=True)
