"""What a training step costs: wall-clock time and memory, measured where the training pauses anyway."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

MIB = 2**20
STATUS = Path("/proc/self/status")


class StepClock:
    """Wall-clock time per training step, reading its batch included, and pauses left out.

    A GPU is waited for where a pause begins, and nowhere else.

    Args:
        device: where the model trains.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._steps = 0
        self._seconds = 0.0
        self._since = time.perf_counter()

    def count(self) -> None:
        """Count a step."""
        self._steps += 1

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let the clock stand for a while."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._seconds += time.perf_counter() - self._since
        try:
            yield
        finally:
            self._since = time.perf_counter()

    def seconds_per_step(self) -> float:
        """Return the mean since the last call, up to the beginning of the pause that this is called in."""
        seconds, steps = self._seconds, self._steps
        self._seconds, self._steps = 0.0, 0
        return seconds / steps


def start_peak_memory(device: torch.device) -> None:
    """Forget what earlier runs of this process took on a GPU; the memory of a process has no such start."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> float:
    """Return the most memory so far, MiB: allocated by torch on a GPU, else resident of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    return _peak_resident_memory() / MIB


def _peak_resident_memory() -> float:
    """Return bytes, or NaN on Windows.

    On Linux they are read from proc(5): getrusage(2) includes the memory of the parent process there.
    """
    if STATUS.is_file():
        lines = dict(line.split(":", maxsplit=1) for line in STATUS.read_text().splitlines() if ":" in line)
        if "VmHWM" in lines:
            return int(lines["VmHWM"].split()[0]) * 1024
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return math.nan
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
