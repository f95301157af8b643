"""Measure the time of a training step for several configs, in turns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import hydra
import torch
from omegaconf import OmegaConf

from ocp_dc.fairchem2.compose import without_fits
from ocp_dc.training.step_timer import median_times

BATCHES = 3


def step_times(configs: Mapping[str, dict[str, Any]], cpu: bool) -> dict[str, float]:
    """Return the median seconds of a training step of each config: forward, forces, double backward, optimizer.

    The configs take turns on the same few batches.

    Args:
        configs: configs of studies by name; their labels, weights and schedules do not matter.
        cpu: use the CPU even if there is a GPU.
    """
    device = torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")
    return median_times({name: _stepper(config, device) for name, config in configs.items()}, device)


def _stepper(config: dict[str, Any], device: torch.device) -> Callable[[int], None]:
    """Return a function that takes a training step."""
    with without_fits():
        resolved = OmegaConf.create(config)
        OmegaConf.resolve(resolved)
        unit, loader = resolved.runner.train_eval_unit, resolved.runner.train_dataloader
        torch.manual_seed(0)
        model: Any = hydra.utils.instantiate(unit.model).to(device).train()
        batches = [batch.to(device) for batch in itertools.islice(hydra.utils.instantiate(loader), BATCHES)]
    for batch in batches:
        batch["energy"] = batch["energy"].float()  # a copy takes no label in another precision than the positions
    optimizer = hydra.utils.instantiate(unit.optimizer_fn)(model.parameters())

    def step(number: int) -> None:
        batch = batches[number % len(batches)].clone()
        loss = torch.stack([value.abs().mean() for value in _values(model(batch))]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _values(outputs: Any) -> list[torch.Tensor]:
    """Return the tensors of nested outputs that depend on the weights."""
    if isinstance(outputs, torch.Tensor):
        return [outputs] if outputs.requires_grad else []
    return [value for part in outputs.values() for value in _values(part)]
