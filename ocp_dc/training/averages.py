"""Averaged weights: check them, copy them into a model, and exchange weights within a block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from ocp_dc.core.errors import UserError

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState


class AveragedWeights(Protocol):
    """The host's average of the trainable parameters over steps, exponential or equal, in the order of the model."""

    decay: float
    shadow_params: list[torch.Tensor]

    def state_dict(self) -> dict[str, Any]:
        """Return the decay and the averages."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what :meth:`state_dict` returned."""


def same_kind(saved: torch.Tensor, own: torch.Tensor) -> bool:
    """Return whether saved values can be copied into a tensor: both are floats of any precision, or neither is."""
    return (saved.is_floating_point(), saved.is_complex()) == (own.is_floating_point(), own.is_complex())


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that require gradients; these are the averaged ones."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def check_averages(averages: Sequence[torch.Tensor], model: nn.Module) -> None:
    """Check that averages have the shapes and dtypes of a model's parameters, since copying would broadcast.

    Raises:
        UserError: a shape or a dtype differs.
    """
    parameters = trainable(model)
    fit = [tuple(value.shape) for value in averages] == [tuple(parameter.shape) for parameter in parameters]
    if not fit or not all(map(same_kind, averages, parameters)):
        raise UserError("the averaged weights (ema) of the checkpoint are not those of its model; it is damaged")


def copy_averages(averages: Sequence[torch.Tensor], model: nn.Module) -> None:
    """Copy averages into the trainable parameters of a model."""
    with torch.no_grad():
        for parameter, value in zip(trainable(model), averages, strict=True):
            parameter.copy_(value)


@contextlib.contextmanager
def averaged_weights(state: TrainingState) -> Iterator[None]:
    """Put the averaged weights into the model within this block; do nothing without averages or when nested."""
    averages = state.unused_averages if state.ema is None else state.ema.shadow_params
    if averages is None:
        yield
        return
    kept, state.ema, state.unused_averages = (state.ema, state.unused_averages), None, None
    raw = [parameter.detach().clone() for parameter in trainable(state.model)]
    copy_averages(averages, state.model)
    try:
        yield
    finally:
        copy_averages(raw, state.model)
        state.ema, state.unused_averages = kept


@contextlib.contextmanager
def other_weights(state: TrainingState, weights: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Put other weights into the model within this block, and disable the moving average meanwhile.

    Args:
        state: the state of the training run.
        weights: a ``state_dict`` of the model.
    """
    raw = {name: value.detach().clone() for name, value in state.model.state_dict().items()}
    ema, state.ema = state.ema, None
    try:
        state.model.load_state_dict(weights)
        yield
    finally:
        state.model.load_state_dict(raw)
        state.ema = ema
