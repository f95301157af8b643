"""Other weights in a model for a while: the averaged ones, or those of a checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from fairchem.core.common.utils import match_state_dict

from ocp_dc.fairchem1.train import checkpoints


@contextlib.contextmanager
def averaged_weights(trainer: Any) -> Iterator[None]:
    """Put the averaged weights into the model for a while; without EMA, or within itself, do nothing."""
    if trainer.ema is None:
        yield
        return
    ema, trainer.ema = trainer.ema, None
    trainable = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    raw = [parameter.detach().clone() for parameter in trainable]
    ema.copy_to()
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(trainable, raw, strict=True):
                parameter.copy_(value)
        trainer.ema = ema


@contextlib.contextmanager
def weights_of(trainer: Any, path: Path) -> Iterator[None]:
    """Put the weights of a checkpoint into the model for a while; without such a file, nothing changes."""
    if not path.is_file():
        yield
        return
    state = checkpoints.read_checkpoint(path, trainer.device)["state_dict"]
    raw = {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}
    ema, trainer.ema = trainer.ema, None
    trainer.model.load_state_dict(match_state_dict(trainer.model.state_dict(), state))
    try:
        yield
    finally:
        trainer.model.load_state_dict(raw)
        trainer.ema = ema
