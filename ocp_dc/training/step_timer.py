"""Measure the time of training steps of several models, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from ocp_dc.training.subnormals import flushed_subnormals

WARM_UP, REPEATS = 2, 15


def median_times(steps: Mapping[str, Callable[[int], None]], device: torch.device) -> dict[str, float]:
    """Return the median seconds of each step; they take turns, so that other load affects all of them equally.

    Args:
        steps: functions that take one training step, by name; the argument counts from 0.
        device: the device on which they work.
    """
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(WARM_UP + REPEATS):
        for name, step in steps.items():
            _wait(device)
            start = time.perf_counter()
            with flushed_subnormals():
                step(repeat)
            _wait(device)
            if repeat >= WARM_UP:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
