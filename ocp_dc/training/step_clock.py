"""The cost of a training step: wall-clock time and memory, measured where the run pauses anyway."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ocp_dc.training.listeners import Listener, Losses

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState

MIB = 2**20
STATUS = Path("/proc/self/status")


class StepClock(Listener):
    """Wall-clock time per training step, reading its batch included, and pauses left out.

    A GPU is waited for where a pause begins, and nowhere else.

    Args:
        device: where the model trains.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._steps = 0
        self._seconds = 0.0
        self._since = time.perf_counter()

    def start(self, state: TrainingState) -> None:
        """Start from zero, and measure the peak of a GPU's memory from here."""
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
        """Return the mean since the last call, up to the beginning of the pause of this call; None without a step."""
        seconds, steps = self._seconds, self._steps
        self._seconds, self._steps = 0.0, 0
        return seconds / steps if steps else None


class RunTime(Listener):
    """Logs at the end how many steps were trained, and how long this process took for them.

    Args:
        total: the steps of the whole run.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._since = time.monotonic()

    def start(self, state: TrainingState) -> None:
        """Start from zero."""
        self._since = time.monotonic()

    def end(self, state: TrainingState) -> None:
        """Log steps and seconds."""
        logging.info(f"trained to step {state.step} of {self._total} in {time.monotonic() - self._since:.1f} s")


def start_peak_memory(device: torch.device) -> None:
    """Forget what earlier runs of this process took on a GPU; the memory of a process has no such start."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> float | None:
    """Return the most memory so far, MiB: allocated by torch on a GPU, else resident of this process.

    None where the system has neither proc(5) nor getrusage(2), as Windows.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    resident = _peak_resident_memory()
    return None if resident is None else resident / MIB


def _peak_resident_memory() -> int | None:
    """Return bytes, on Linux from proc(5): there getrusage(2) includes the peak of the process that started this one.

    None where the system has neither.
    """
    if STATUS.is_file():
        lines = dict(line.split(":", maxsplit=1) for line in STATUS.read_text().splitlines() if ":" in line)
        if "VmHWM" in lines:
            return int(lines["VmHWM"].split()[0]) * 1024
    try:
        import resource  # not on Windows
    except ModuleNotFoundError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
