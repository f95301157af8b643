"""Shared by the benchmarks: cases that take turns, in this process or each in its own, and the memory of a step.

Cases take turns, so a busy machine slows all of them equally, and medians are compared as ratios.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

REPEATS, WARM_UP = 15, 2
MIB = 2**20


def single_thread() -> None:
    """Use one thread in the processes that are started from now on, and no hook at the start of Python."""
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OCP_DC_AUTOLOAD": "0"}


def medians(cases: Mapping[str, Callable[[], Any]], repeats: int = REPEATS) -> dict[str, float]:
    """Return the median time of each case in ms, after two rounds of warm-up; the cases take turns."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for repeat in range(repeats + WARM_UP):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            if repeat >= WARM_UP:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


class Process:
    """A case in a process of its own, which starts clean and keeps its state between commands.

    Args:
        serve: a function of a module, called in the process with a connection and ``arguments``; it sends the
            wall-clock seconds that it needed to get ready, then an answer to each command, until the command ``end``.
        log: the file for the output of the process.
        arguments: for ``serve``.
    """

    def __init__(self, serve: Callable[..., None], log: Path, *arguments: Any) -> None:
        self.log = log
        self._connection, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(serve, log, theirs, *arguments))
        self._process.start()
        theirs.close()
        self.ready_seconds: float = self._answer()

    def ask(self, command: str, *arguments: Any) -> Any:
        """Send a command and return its answer."""
        self._connection.send((command, *arguments))
        return self._answer()

    def close(self) -> None:
        """End the process, which also ends those that it started."""
        self._connection.send(("end",))
        self._process.join(timeout=30)
        self._process.kill()
        self._connection.close()

    def _answer(self) -> Any:
        try:
            return self._connection.recv()
        except EOFError:
            self._process.join()
            lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
            error = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "no output")
            raise CaseError(f"{error.strip()} (log: {self.log})") from None


class CaseError(Exception):
    """The process of a case ended; the message is the last error in its log."""


def _serve(serve: Callable[..., None], log: Path, connection: Connection, *arguments: Any) -> None:
    with log.open("w") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
    serve(connection, *arguments)


def in_turns(cases: Mapping[str, Process], repeats: int, *command: Any) -> dict[str, float]:
    """Return the median answer of each case to a command; the cases take turns.

    Args:
        cases: the processes by name.
        repeats: the number of rounds, after one round of warm-up.
        command: the command and its arguments.
    """
    answers: dict[str, list[float]] = {name: [] for name in cases}
    for repeat in range(repeats + 1):
        for name, case in cases.items():
            answer = case.ask(*command)
            if repeat:
                answers[name].append(answer)
    return {name: statistics.median(values) for name, values in answers.items()}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, *rows)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class PeakMemory:
    """The peak of the memory that torch allocates between ``start`` and ``stop``, above that at the start.

    Args:
        device: where the tensors are. On a CPU torch's profiler records each allocation.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def start(self) -> None:
        import torch

        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
        else:
            self._profile = torch.profiler.profile(
                activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
            )
            self._profile.start()

    def stop(self) -> int:
        """Return the peak in bytes."""
        import torch

        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) - self._before
        self._profile.stop()
        results: Any = self._profile.profiler  # untyped inside
        events = [event for event in results.kineto_results.events() if event.name() == "[memory]"]
        changes = (event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()))  # negative if freed
        return max(itertools.accumulate(changes), default=0)
