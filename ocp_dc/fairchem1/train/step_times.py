"""Measure the time of a training step for several configs, in turns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from ocp_dc.fairchem1.train.fit_scales import make_trainer
from ocp_dc.training.step_timer import median_times

BATCHES = 3


def step_times(configs: Mapping[str, dict[str, Any]], cpu: bool) -> dict[str, float]:
    """Return the median seconds of a training step of each config: forward, forces, double backward, optimizer.

    The configs take turns on the same few batches.

    Args:
        configs: resolved configs by name; their labels, weights and schedules do not matter.
        cpu: use the CPU even if there is a GPU.
    """
    trainers = {name: make_trainer({"seed": 0, **config}, cpu=cpu) for name, config in configs.items()}
    device = next(iter(trainers.values())).device
    return median_times({name: _stepper(trainer) for name, trainer in trainers.items()}, device)


def _stepper(trainer: Any) -> Callable[[int], None]:
    """Return a function that takes a training step."""
    batches = [batch.to(trainer.device) for batch in itertools.islice(trainer.train_loader, BATCHES)]

    def step(number: int) -> None:
        trainer.model.train()
        out = trainer._forward(batches[number % len(batches)])
        loss = out["energy"].abs().mean() + out["forces"].abs().mean()
        trainer.optimizer.zero_grad()
        loss.backward()
        trainer.optimizer.step()

    return step
