"""Checks that losses and gradients are finite; a training run stops at the first value that is not."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import DivergenceError
from ocp_dc.training.flag_reader import FlagReader
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


def check_values(values: Mapping[str, Tensor | float], where: RunPosition) -> None:
    """Check that every loss term of a step is finite.

    Args:
        values: the loss terms by name.
        where: the progress of the training run.

    Raises:
        DivergenceError: a value is NaN or infinite; the message names all such values.
    """
    if bad := [name for name, value in values.items() if not math.isfinite(value)]:
        raise diverged(f"the loss {', '.join(bad)}", where)


def check_gradients(parameters: Iterable[tuple[str, nn.Parameter]], where: RunPosition, reader: FlagReader) -> None:
    """Check that the gradients of parameters are finite.

    Args:
        parameters: parameters with their names; those without a gradient are skipped.
        where: the progress of the training run.
        reader: reads the flags.

    Raises:
        DivergenceError: a gradient is NaN or infinite; the message names the first such parameter.
    """
    pairs = [(name, parameter.grad) for name, parameter in parameters if parameter.grad is not None]
    if not pairs:
        return
    names, gradients = zip(*pairs, strict=True)

    def fail(finite: Sequence[bool]) -> NoReturn:
        raise diverged(f"the gradient of {names[finite.index(False)]}", where)

    reader.check(finite_flags(list(gradients)), fail)


def finite_flags(tensors: list[Tensor]) -> Tensor:
    """Return whether each tensor has only finite values, bool [K], by a few kernels for all of them.

    Zero times a finite number is zero, and zero times NaN or infinity is NaN; so nothing overflows.
    """
    return torch.stack(torch._foreach_norm(torch._foreach_mul(tensors, 0.0))) == 0


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
    """Stop a training run at a gradient that is not finite; with AMP the gradient scaler skips such steps itself.

    Args:
        checkpoint: the path of the checkpoint.
        advice: what the user may change.
        reader: reads the flags; by default at once.
    """

    def __init__(self, checkpoint: Path, advice: str, reader: FlagReader | None = None) -> None:
        super().__init__(checkpoint, advice)
        self._reader = reader or FlagReader()
        self._parameters: list[tuple[str, nn.Parameter]] = []

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Check the gradients of the step, and read the flags that are due."""
        if state.scaler is None:
            self._parameters = self._parameters or list(state.model.named_parameters())
            check_gradients(self._parameters, self._position(state), self._reader)
        self._reader.end_step()


class LossCheck(_FiniteCheck):
    """Stop a training run at a loss that is not finite, for hosts that do not check each term themselves."""

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Check the losses of the step."""
        check_values(losses, self._position(state))
