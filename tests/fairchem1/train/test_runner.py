"""The runner in a rank: it ends with the process that holds the lock of the folder."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import ocp_dc

# a rank is a process of multiprocessing; where the run itself would be, it waits
SCRIPT = """
import multiprocessing, os, time
from ocp_dc.fairchem1.train.runner import Runner

def run(runner, config):
    print(os.getpid(), flush=True)
    time.sleep(3600)

Runner.__base__.__call__ = run
rank = multiprocessing.get_context("fork").Process(target=Runner(), args=({"mode": "predict", "cpu": True},))
rank.start()
rank.join()
"""


def test_a_rank_ends_with_the_process_that_started_it():
    environment = {**os.environ, "PYTHONPATH": str(Path(ocp_dc.__file__).parents[1])}
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    rank = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    try:
        parent.communicate(timeout=60)  # until the rank has closed it
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(rank, signal.SIGKILL)
    assert parent.returncode == -signal.SIGKILL
