"""Make runs on this machine, each in its own process, with a limited number at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ocp_dc.core.search_path import child_environment
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.live import View
from ocp_dc.study.step_times import Resources
from ocp_dc.study.worker import FAILED, note_failure

POLL = 0.3  # seconds


@dataclasses.dataclass(frozen=True)
class Machine:
    """The resources of this machine that runs share.

    Args:
        jobs: number of runs at a time.
        threads: threads of each run.
        gpus: number of GPUs to distribute among the runs; 0 to use the CPU.
    """

    jobs: int
    threads: int
    gpus: int

    @classmethod
    def detect(cls, jobs: int | None, threads: int | None, cpu: bool) -> Machine:
        """Return the given numbers; by default one run per GPU, or, without GPUs, one run with one thread per core."""
        import torch

        gpus = 0 if cpu else torch.cuda.device_count()
        cores = os.cpu_count() or 1
        threads = threads or (max(1, cores // gpus) if gpus else 1)
        return cls(jobs or gpus or max(1, cores // threads), threads, gpus)

    def share(self) -> Resources:
        """Return what each run gets."""
        return Resources(self.threads, self.gpus > 0)


def run_all(folders: Sequence[RunFolder], machine: Machine, view: View | None = None) -> None:
    """Make every run; if a run fails, the failure is noted in its folder and the others continue.

    Args:
        folders: the runs.
        machine: the resources to use.
        view: shows the progress; None shows nothing.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C; each running process has finished its step and saved.
    """
    waiting = list(folders)
    running: dict[int, subprocess.Popen] = {}  # by slot
    runs: dict[int, RunFolder] = {}
    with stopping(running):
        while waiting or running:
            for slot in range(machine.jobs):
                if slot not in running and waiting:
                    runs[slot] = waiting.pop(0)
                    command = ["ocp_dc.study.worker", str(runs[slot].path)]
                    running[slot] = start_process(command, machine, slot, runs[slot].path / "log.txt")
                    if view is not None:
                        view.add_run(runs[slot])
            for slot, process in list(running.items()):
                if process.poll() is not None:
                    del running[slot]
                    _note_lost_process(runs[slot], process.returncode)
                    if view is not None:
                        view.end_run(runs[slot])
            if view is not None:
                view.refresh()
            time.sleep(POLL)


def start_process(module: Sequence[str], machine: Machine, slot: int, log_path: Path) -> subprocess.Popen:
    """Start a process that ends with this one.

    Args:
        module: the module and its arguments; ``--parent`` and, without GPUs, ``--cpu`` are added.
        machine: the resources; the process gets the threads of one run.
        slot: the number of the process, from 0; it selects the GPU.
        log_path: the file to which its output is appended.
    """
    command = [sys.executable, "-m", *module, "--parent", str(os.getpid())]
    environment = {**os.environ, **child_environment(), "OMP_NUM_THREADS": str(machine.threads)}
    if machine.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = _device(slot % machine.gpus)
    if log_path.is_symlink():  # never write into the target of a link
        log_path.unlink()
    with log_path.open("a") as log:
        return subprocess.Popen(
            [*command, *([] if machine.gpus else ["--cpu"])],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C then reaches it only once, from here
        )


def _device(index: int) -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[index] if visible else str(index)


def _note_lost_process(folder: RunFolder, status: int) -> None:
    """Note the failure of a process that could not note it itself, for example because it was out of memory."""
    if status not in (0, FAILED, 130):
        how = f"was killed by signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"ended: {status}"
        note_failure(folder.path, RuntimeError(f"its process {how}; see the end of {folder.path / 'log.txt'}"))


@contextlib.contextmanager
def stopping(running: Mapping[int, subprocess.Popen], patience: float = 60.0) -> Iterator[None]:
    """Stop the running processes on exit, also on SIGTERM: first with SIGINT, so that each saves its step.

    Args:
        running: the processes, by slot.
        patience: seconds until a process is killed.
    """
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        for process in running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in running.values():
            try:
                process.wait(timeout=patience)
            except subprocess.TimeoutExpired:
                process.kill()
        signal.signal(signal.SIGTERM, before)


def _terminated(number: int, frame: object) -> None:
    raise KeyboardInterrupt
