"""Read the loss terms of fairchem 2's tasks, and keep losses that are not finite visible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class LossTaps:
    """Forward hooks on the losses of the tasks, so that nothing is computed twice.

    fairchem's ``DDPMTLoss`` replaces a loss that is not finite by 0 or a large number, whose gradient is 0: a diverged
    run goes on with a loss of 0. Here such a loss becomes NaN again. So the gradient is NaN on all ranks, and each of
    them stops at the same step.

    Args:
        tasks: the tasks of the training unit.

    Attributes:
        training: whether the terms are those of a training step; the hooks also run in validations.
    """

    def __init__(self, tasks: Sequence[Any]) -> None:
        self.training = True
        self._terms: dict[str, Tensor] = {}
        self._finite: dict[str, Tensor] = {}
        self._handles = [task.loss_fn.register_forward_hook(self._hook_of_task(task.name)) for task in tasks]
        self._handles += [
            inner.register_forward_hook(self._hook_of_samples(task.name))
            for task in tasks
            if isinstance(inner := getattr(task.loss_fn, "loss_fn", None), nn.Module)
        ]

    def take_losses(self) -> dict[str, Tensor]:
        """Return the losses of the last step of this rank: ``loss``, the total, and ``loss_NAME`` of each task."""
        terms, self._terms = self._terms, {}
        total = sum(terms.values(), torch.zeros((), dtype=torch.float64))  # a scalar of the CPU goes with any device
        return {"loss": total, **{f"loss_{name}": term for name, term in terms.items()}}

    def take_flags(self) -> tuple[list[str], Tensor] | None:
        """Return what was checked since the last call, and whether each is finite, bool [K]; None if there was none."""
        flags, self._finite = self._finite, {}
        return (list(flags), torch.stack(list(flags.values()))) if flags else None

    def remove(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()

    def _hook_of_samples(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
            self._note(f"the {name} loss", _finite(output) | ~_finite(args[0]))

        return hook

    def _hook_of_task(self, name: str) -> Callable[..., Tensor]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
            self._note(f"the predicted {name}", _finite(args[0]))
            self._note(f"the {name} loss", _finite(output) | ~_finite(args[0]))
            finite = self._finite[f"the predicted {name}"] & self._finite[f"the {name} loss"]
            visible: Tensor = output * output.new_ones(()).masked_fill(~finite, torch.nan)  # times 1 changes no bit
            if self.training:
                self._terms[name] = visible.detach()
            return visible

        return hook

    def _note(self, what: str, finite: Tensor) -> None:
        self._finite[what] = self._finite[what] & finite if what in self._finite else finite


def _finite(values: Tensor) -> Tensor:
    return values.detach().isfinite().all()
