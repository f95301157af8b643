"""Measure the time of a training step for several configs, in turns."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from ocp_dc.fairchem1.train.fit_scales import make_trainer
from ocp_dc.training.subnormals import flushed_subnormals

if TYPE_CHECKING:
    from ocp_dc.fairchem1.trainer import DCTrainer

WARM_UP, REPEATS, BATCHES = 2, 15, 3


def step_times(configs: Mapping[str, dict[str, Any]], cpu: bool = False) -> dict[str, float]:
    """Return the median seconds of a training step of each config: forward, forces, double backward, optimizer.

    The configs take turns on the same few batches, so that other load on the machine affects all of them equally.

    Args:
        configs: resolved configs by name; their labels, weights and schedules do not matter.
        cpu: use the CPU even if there is a GPU.
    """
    trainers = {name: make_trainer({"seed": 0, **config}, cpu=cpu) for name, config in configs.items()}
    batches = {
        name: [batch.to(trainer.device) for batch in itertools.islice(trainer.train_loader, BATCHES)]
        for name, trainer in trainers.items()
    }
    times: dict[str, list[float]] = {name: [] for name in trainers}
    for repeat in range(WARM_UP + REPEATS):
        for name, trainer in trainers.items():
            batch = batches[name][repeat % len(batches[name])]
            with flushed_subnormals():
                seconds = _step(trainer, batch)
            if repeat >= WARM_UP:
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def _step(trainer: DCTrainer, batch: Any) -> float:
    """Take a training step, and return its duration in seconds."""
    _wait(trainer.device)
    start = time.perf_counter()
    trainer.model.train()
    out = trainer._forward(batch)
    loss = out["energy"].abs().mean() + out["forces"].abs().mean()
    trainer.optimizer.zero_grad()
    loss.backward()
    trainer.optimizer.step()
    _wait(trainer.device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
