"""Runs on this machine: so many processes at a time, each run in one of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from ocp_dc.core.search_path import child_environment
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.live import View
from ocp_dc.study.worker import FAILED, note_failure

POLL = 0.3  # seconds


@dataclasses.dataclass(frozen=True)
class Machine:
    """How runs share this machine.

    Args:
        jobs: runs at a time.
        threads: threads of each.
        gpus: GPUs to share out among the runs; none on a CPU.
    """

    jobs: int
    threads: int
    gpus: int

    @classmethod
    def found(cls, jobs: int | None, threads: int | None, cpu: bool) -> Machine:
        """Return what is asked for; else a run per GPU, or without GPUs one per core with one thread each."""
        import torch

        gpus = 0 if cpu else torch.cuda.device_count()
        cores = os.cpu_count() or 1
        threads = threads or (max(1, cores // gpus) if gpus else 1)
        return cls(jobs or gpus or max(1, cores // threads), threads, gpus)


def run_all(folders: Sequence[RunFolder], machine: Machine, view: View) -> None:
    """Make every run; one that fails leaves a note in its folder, and the others go on.

    Raises:
        KeyboardInterrupt: Ctrl-C; each running process finished its step and saved.
    """
    waiting = list(folders)
    running: dict[int, tuple[RunFolder, subprocess.Popen]] = {}  # by slot
    with _ending(running):
        while waiting or running:
            for slot in range(machine.jobs):
                if slot not in running and waiting:
                    folder = waiting.pop(0)
                    running[slot] = (folder, _start(folder, machine, slot))
                    view.started(folder)
            for slot, (folder, process) in list(running.items()):
                if process.poll() is not None:
                    del running[slot]
                    _note_death(folder, process.returncode)
                    view.ended(folder)
            view.refresh()
            time.sleep(POLL)


def _start(folder: RunFolder, machine: Machine, slot: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "ocp_dc.study.worker", str(folder.path), "--parent", str(os.getpid())]
    environment = {**os.environ, **child_environment(), "OMP_NUM_THREADS": str(machine.threads)}
    if machine.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = _device(slot % machine.gpus)
    log_path = folder.path / "log.txt"
    if log_path.is_symlink():  # what it leads to is another's
        log_path.unlink()
    with log_path.open("a") as log:
        return subprocess.Popen(
            [*command, *([] if machine.gpus else ["--cpu"])],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches it once, from here
        )


def _device(index: int) -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[index] if visible else str(index)


def _note_death(folder: RunFolder, status: int) -> None:
    """Note a process that could not say itself what ended it: out of memory, say."""
    if status not in (0, FAILED, 130):
        how = f"was killed by signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"ended: {status}"
        note_failure(folder.path, RuntimeError(f"its process {how}; the end of {folder.path / 'log.txt'} may say more"))


@contextlib.contextmanager
def _ending(running: dict[int, tuple[RunFolder, subprocess.Popen]]) -> Iterator[None]:
    """Stop what runs when this process is told to: first politely, so that each saves its step."""
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        for _, process in running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for _, process in running.values():
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
        signal.signal(signal.SIGTERM, before)


def _terminated(number: int, frame: object) -> None:
    raise KeyboardInterrupt
