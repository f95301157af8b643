"""Gains that replace norms (``dc: {norm_gain: fitted}``); they are fitted once, when a new training run starts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.surgery import FittedGain, fitting_gains
from ocp_dc.training.listeners import Listener

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState


def fit_gains(
    model: nn.Module, first_batch: Callable[[], object], agree: Callable[[list[float]], list[float]]
) -> list[float]:
    """Fit each gain of a model on the first batch of the training run.

    Args:
        model: the model, without DistributedDataParallel; it is in evaluation mode afterwards.
        first_batch: passes the first batch through the model.
        agree: returns the values of the first rank, given the values of this rank.

    Returns:
        The gains in the order of the model. If the model has none, the list is empty and no batch is passed through it.

    Raises:
        UserError: the features that reach a gain are all zero, or not finite.
    """
    with fitting_gains(model) as gains:
        if not gains:
            return []
        model.eval()
        with torch.no_grad():
            first_batch()
    values = agree([float(part.gain) for part in gains])
    for part, value in zip(gains, values, strict=True):
        part.gain.fill_(value)
    return values


def check_fitted(model: nn.Module) -> None:
    """Check that all gains of a model are fitted.

    Raises:
        UserError: a gain is not fitted.
    """
    for path, part in model.named_modules():
        if isinstance(part, FittedGain) and bool(torch.isnan(part.gain)):
            raise UserError(
                f"{path}: its gain is not fitted (model.dc.norm_gain); a training run that starts without a "
                "checkpoint fits it and stores it in its checkpoints"
            )


class GainFit(Listener):
    """Fit the gains when a new training run starts; a resumed run loads them from its checkpoint.

    Args:
        first_batch: see :func:`fit_gains`.
        agree: see :func:`fit_gains`.
        logs: whether this process logs the values.
    """

    def __init__(
        self, first_batch: Callable[[], object], agree: Callable[[list[float]], list[float]], logs: bool
    ) -> None:
        self._first_batch, self._agree, self._logs = first_batch, agree, logs

    def start(self, state: TrainingState) -> None:
        """Fit the gains and log them."""
        values = fit_gains(state.bare_model, self._first_batch, self._agree)
        if values and self._logs:
            logging.info(f"gains in place of norms: {', '.join(f'{value:.4g}' for value in values)}")
