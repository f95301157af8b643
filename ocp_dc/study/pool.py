"""Make runs on this machine, each in its own process, with a limited number at a time."""

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


def run_all(folders: Sequence[RunFolder], machine: Machine, view: View) -> None:
    """Make every run; if a run fails, the failure is noted in its folder and the others continue.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C; each running process has finished its step and saved.
    """
    waiting = list(folders)
    running: dict[int, tuple[RunFolder, subprocess.Popen]] = {}  # by slot
    with _stopping_runs(running):
        while waiting or running:
            for slot in range(machine.jobs):
                if slot not in running and waiting:
                    folder = waiting.pop(0)
                    running[slot] = (folder, _start(folder, machine, slot))
                    view.add_run(folder)
            for slot, (folder, process) in list(running.items()):
                if process.poll() is not None:
                    del running[slot]
                    _note_lost_process(folder, process.returncode)
                    view.end_run(folder)
            view.refresh()
            time.sleep(POLL)


def _start(folder: RunFolder, machine: Machine, slot: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "ocp_dc.study.worker", str(folder.path), "--parent", str(os.getpid())]
    environment = {**os.environ, **child_environment(), "OMP_NUM_THREADS": str(machine.threads)}
    if machine.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = _device(slot % machine.gpus)
    log_path = folder.path / "log.txt"
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
def _stopping_runs(running: dict[int, tuple[RunFolder, subprocess.Popen]]) -> Iterator[None]:
    """Stop the running processes on exit, also on SIGTERM: first with SIGINT, so that each saves its step."""
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
