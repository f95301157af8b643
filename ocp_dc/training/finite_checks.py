"""Checks that losses and gradients are finite, which stop a run at the first value that is not."""

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
    """Where a run is, for the message of a divergence.

    Args:
        step: the step in progress, from 1.
        checkpoint: where the last good checkpoint is, if one was written.
        advice: what the user may change.
    """

    step: int
    checkpoint: Path
    advice: str


def diverged(what: str, where: RunPosition) -> DivergenceError:
    """Return the error for a value that is not finite.

    Args:
        what: the value, such as ``the forces loss``.
        where: where the run is.
    """
    written = where.checkpoint.is_file()
    last = f"the last good checkpoint is {where.checkpoint}" if written else "no checkpoint was written before"
    return DivergenceError(where.step, what, f"{last}. {where.advice}")


def all_finite(*tensors: torch.Tensor) -> bool:
    """Return whether no tensor holds NaN or infinity."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def check_term(term: str, where: RunPosition, *tensors: torch.Tensor) -> None:
    """Check that a loss term, or what it is computed from, is finite: fairchem's loss replaces NaN by zero.

    Args:
        term: its name, such as ``forces``.
        where: where the run is.
        tensors: the term, predictions.

    Raises:
        DivergenceError: a value is NaN or infinite.
    """
    if not all_finite(*tensors):
        raise diverged(f"the {term} loss", where)


def check_values(values: Mapping[str, torch.Tensor | float], where: RunPosition) -> None:
    """Check that every loss term of a step is finite.

    Args:
        values: numbers by name.
        where: where the run is.

    Raises:
        DivergenceError: values are NaN or infinite; the message names all of them.
    """
    if bad := [name for name, value in values.items() if not math.isfinite(value)]:
        raise diverged(f"the loss {', '.join(bad)}", where)


def check_gradients(parameters: Iterable[tuple[str, nn.Parameter]], where: RunPosition) -> None:
    """Check that the gradients of parameters are finite, with one look at the device.

    Args:
        parameters: by name; those without a gradient are passed over.
        where: where the run is.

    Raises:
        DivergenceError: a gradient is NaN or infinite; the message names the first parameter.
    """
    gradients = {name: parameter.grad for name, parameter in parameters if parameter.grad is not None}
    if not gradients:
        return
    finite = torch.stack([torch.isfinite(gradient).all() for gradient in gradients.values()])
    if not bool(finite.all()):
        name = list(gradients)[int((~finite).nonzero()[0])]
        raise diverged(f"the gradient of {name}", where)


class GradientCheck(Listener):
    """Stops a run at a gradient that is not finite; under AMP the gradient scaler deals with that itself.

    Args:
        checkpoint: where the run writes its checkpoint.
        advice: what the user may change.
    """

    def __init__(self, checkpoint: Path, advice: str) -> None:
        self._checkpoint, self._advice = checkpoint, advice

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Check the gradients of the step."""
        if state.scaler is None:
            where = RunPosition(state.step, self._checkpoint, self._advice)
            check_gradients(state.model.named_parameters(), where)


class LossCheck(Listener):
    """Stops a run at a loss that is not finite, where the host does not check each term itself.

    Args:
        checkpoint: where the run writes its checkpoint.
        advice: what the user may change.
    """

    def __init__(self, checkpoint: Path, advice: str) -> None:
        self._checkpoint, self._advice = checkpoint, advice

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Check the losses of the step."""
        check_values(losses, RunPosition(state.step, self._checkpoint, self._advice))
