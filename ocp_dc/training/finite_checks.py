"""Checks that losses and gradients are finite; a training run stops at the first value that is not."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from ocp_dc.core.errors import DivergenceError
from ocp_dc.training.listeners import Listener, Losses

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState


@dataclasses.dataclass(frozen=True)
class RunPosition:
    """The progress of a training run, for the message of a divergence.

    Args:
        step: the step in progress, from 1.
        checkpoint: the path of the last good checkpoint, which need not exist.
        advice: what the user may change.
    """

    step: int
    checkpoint: Path
    advice: str


def diverged(what: str, where: RunPosition) -> DivergenceError:
    """Return the error for a value that is not finite.

    Args:
        what: the value, such as ``the forces loss``.
        where: the progress of the training run.
    """
    written = where.checkpoint.is_file()
    last = f"the last good checkpoint is {where.checkpoint}" if written else "no checkpoint was written before"
    return DivergenceError(where.step, what, f"{last}. {where.advice}")


def all_finite(*tensors: torch.Tensor) -> bool:
    """Return whether no tensor holds NaN or infinity."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def check_term(term: str, where: RunPosition, *tensors: torch.Tensor) -> None:
    """Check that a loss term and the predictions it is computed from are finite: fairchem's loss replaces NaN by zero.

    Args:
        term: the name of the term, such as ``forces``.
        where: the progress of the training run.
        tensors: the term and the predictions.

    Raises:
        DivergenceError: a value is NaN or infinite.
    """
    if not all_finite(*tensors):
        raise diverged(f"the {term} loss", where)


def check_values(values: Mapping[str, torch.Tensor | float], where: RunPosition) -> None:
    """Check that every loss term of a step is finite.

    Args:
        values: the loss terms by name.
        where: the progress of the training run.

    Raises:
        DivergenceError: a value is NaN or infinite; the message names all such values.
    """
    if bad := [name for name, value in values.items() if not math.isfinite(value)]:
        raise diverged(f"the loss {', '.join(bad)}", where)


def check_gradients(parameters: Iterable[tuple[str, nn.Parameter]], where: RunPosition) -> None:
    """Check that the gradients of parameters are finite, with a single synchronization of the device.

    Args:
        parameters: parameters with their names; those without a gradient are skipped.
        where: the progress of the training run.

    Raises:
        DivergenceError: a gradient is NaN or infinite; the message names the first such parameter.
    """
    gradients = {name: parameter.grad for name, parameter in parameters if parameter.grad is not None}
    if not gradients:
        return
    finite = torch.stack([torch.isfinite(gradient).all() for gradient in gradients.values()])
    if not bool(finite.all()):
        name = list(gradients)[int((~finite).nonzero()[0])]
        raise diverged(f"the gradient of {name}", where)


class _FiniteCheck(Listener):
    """Base class of checks at each step; it holds what their messages name.

    Args:
        checkpoint: the path of the checkpoint.
        advice: what the user may change.
    """

    def __init__(self, checkpoint: Path, advice: str) -> None:
        self._checkpoint, self._advice = checkpoint, advice

    def _position(self, state: TrainingState) -> RunPosition:
        return RunPosition(state.step, self._checkpoint, self._advice)


class GradientCheck(_FiniteCheck):
    """Stop a training run at a gradient that is not finite; with AMP the gradient scaler skips such steps itself."""

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Check the gradients of the step."""
        if state.scaler is None:
            check_gradients(state.model.named_parameters(), self._position(state))


class LossCheck(_FiniteCheck):
    """Stop a training run at a loss that is not finite, for hosts that do not check each term themselves."""

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Check the losses of the step."""
        check_values(losses, self._position(state))
