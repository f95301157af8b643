"""The constants in the place of norms (``dc: {norm_gain: fitted}``): fitted once, when a training starts fresh."""

from __future__ import annotations

import logging
from typing import Any

import torch
from fairchem.core.common import distutils
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.surgery import FittedGain, fitting_gains


def fit(trainer: Any) -> None:
    """Fit each gain on the first batch of the training; every rank gets the numbers of the first.

    Raises:
        UserError: features where a norm stood are all zero, or not finite.
    """
    model = trainer._unwrapped_model
    with fitting_gains(model) as gains:
        if not gains:
            return
        trainer.train_sampler.set_epoch_and_start_iteration(0, 0)
        trainer.train_loader.generator.manual_seed(trainer.config["cmd"]["seed"] or 0)
        model.eval()
        with torch.no_grad():
            trainer._forward(next(iter(trainer.train_loader)))
    values: list[Any] = [[float(part.gain) for part in gains]]
    distutils.broadcast_object_list(values, src=0, device=trainer.device)
    for part, value in zip(gains, values[0], strict=True):
        part.gain.fill_(value)
    if distutils.is_master():
        logging.info(f"gains in the place of norms: {', '.join(f'{value:.4g}' for value in values[0])}")


def ensure_fitted(model: nn.Module) -> None:
    """Refuse a model with a gain that is not fitted.

    Raises:
        UserError: there is one.
    """
    for path, part in model.named_modules():
        if isinstance(part, FittedGain) and bool(torch.isnan(part.gain)):
            raise UserError(
                f"{path}: its gain is not fitted (model.dc.norm_gain); a training that starts without a checkpoint "
                "fits it, and its checkpoints hold it"
            )
