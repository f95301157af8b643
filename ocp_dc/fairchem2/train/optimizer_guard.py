"""Checks around fairchem 2's optimizer step: losses and gradients before it, weights after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ocp_dc.fairchem2.train.loss_taps import LossTaps
from ocp_dc.training.finite_checks import RunPosition, check_gradients, diverged, finite_flags
from ocp_dc.training.flag_reader import FlagReader


class OptimizerGuard:
    """Stop a training run at a loss, a gradient or a weight that is not finite, before weights are saved.

    Args:
        unit: the training unit.
        taps: reads the losses.
        reader: reads the flags.
        position: returns the progress of the run, for the message.
    """

    def __init__(self, unit: Any, taps: LossTaps, reader: FlagReader, position: Callable[[], RunPosition]) -> None:
        self._unit, self._taps, self._reader, self._position = unit, taps, reader, position
        self._parameters = [
            (name.removeprefix("module."), value)
            for name, value in unit.model.named_parameters()
            if value.requires_grad
        ]
        self._max_norm = unit.clip_grad_norm if isinstance(unit.model, DistributedDataParallel) else None
        if self._max_norm is not None:
            unit.clip_grad_norm = None  # clipping spreads one NaN to every gradient, so it comes after the check
        self._handles = [
            unit.optimizer.register_step_pre_hook(self._before),
            unit.optimizer.register_step_post_hook(self._after),
        ]

    def remove(self) -> None:
        """Remove the hooks, and give the clipping back to the unit."""
        for handle in self._handles:
            handle.remove()
        if self._max_norm is not None:
            self._unit.clip_grad_norm = self._max_norm

    def _before(self, *_: object) -> None:
        where = self._position()
        if (found := self._taps.take_flags()) is not None:
            self._reader.check(found[1], _failure(found[0], where))
        check_gradients(self._parameters, where, self._reader)
        if self._max_norm is not None:
            norm = nn.utils.clip_grad_norm_(self._unit.model.parameters(), max_norm=self._max_norm)
            self._unit.last_grad_norm = norm.detach()

    def _after(self, *_: object) -> None:
        names, weights = zip(*self._parameters, strict=True)
        with torch.no_grad():
            flags = finite_flags(list(weights))
        self._reader.check(flags, _failure([f"the weight {name}" for name in names], self._position()))
        self._reader.end_step()


def _failure(names: Sequence[str], where: RunPosition) -> Callable[[Sequence[bool]], NoReturn]:
    """Return a function that raises the error for the first flag that is False."""

    def fail(finite: Sequence[bool]) -> NoReturn:
        raise diverged(names[list(finite).index(False)], where)

    return fail
