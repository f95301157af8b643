"""The cost of a training step: wall-clock time and memory, measured at pauses that occur for other reasons."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ocp_dc.training.listeners import Listener, Losses
from ocp_dc.training.output import say

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState

MIB = 2**20
STATUS = Path("/proc/self/status")


class StepClock(Listener):
    """Measure the wall-clock time per training step, including the loading of batches and excluding pauses.

    A GPU is synchronized only when a pause begins.

    Args:
        device: the device of the model.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._steps = 0
        self._seconds = 0.0
        self._since = time.perf_counter()

    def start(self, state: TrainingState) -> None:
        """Start from zero, and reset the peak memory of a GPU."""
        start_peak_memory(self.device)
        self._steps, self._seconds, self._since = 0, 0.0, time.perf_counter()

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Count the step."""
        self.count()

    def count(self) -> None:
        """Count a step."""
        self._steps += 1

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Pause the clock."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def pause(self) -> None:
        """Stop the clock; for callbacks, which cannot use :meth:`paused`."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self._seconds += time.perf_counter() - self._since

    def resume(self) -> None:
        """Start the clock again after :meth:`pause`."""
        self._since = time.perf_counter()

    def seconds_per_step(self) -> float | None:
        """Return the mean since the last call, up to the beginning of the current pause; None without a step."""
        seconds, steps = self._seconds, self._steps
        self._seconds, self._steps = 0.0, 0
        return seconds / steps if steps else None


class RunTime(Listener):
    """Show at the end the number of steps and the time that this process took.

    Args:
        total: the number of steps of the whole training run.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._since = time.monotonic()

    def start(self, state: TrainingState) -> None:
        """Start from zero."""
        self._since = time.monotonic()

    def end(self, state: TrainingState) -> None:
        """Show the steps and the seconds."""
        say(f"trained to step {state.step} of {self._total} in {time.monotonic() - self._since:.1f} s")


def start_peak_memory(device: torch.device) -> None:
    """Reset the peak memory of a GPU; the peak resident memory of a process cannot be reset."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> float | None:
    """Return the peak memory in MiB: allocated by torch on a GPU, else resident memory of this process.

    None on systems with neither proc(5) nor getrusage(2), such as Windows.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    resident = _peak_resident_memory()
    return None if resident is None else resident / MIB


def _peak_resident_memory() -> int | None:
    """Return the peak resident memory in bytes; None on systems with neither proc(5) nor getrusage(2).

    On Linux it is read from proc(5), because getrusage(2) includes the peak of the parent process there.
    """
    if STATUS.is_file():
        lines = dict(line.split(":", maxsplit=1) for line in STATUS.read_text().splitlines() if ":" in line)
        if "VmHWM" in lines:
            return int(lines["VmHWM"].split()[0]) * 1024
    try:
        import resource  # not on Windows
    except ModuleNotFoundError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts in bytes, other systems in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
