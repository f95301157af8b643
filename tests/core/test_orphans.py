"""Processes that end with their parent, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import ocp_dc

SCRIPT = """
import os, subprocess, sys, time
child = '''
import sys, time
from ocp_dc.core.orphans import end_with_parent
end_with_parent(int(sys.argv[1]))
print("started", flush=True)
time.sleep(3600)
'''
subprocess.Popen([sys.executable, "-c", child, str(os.getpid())])
time.sleep(3600)
"""


def test_a_child_ends_with_its_parent_that_is_killed():
    environment = {**os.environ, "PYTHONPATH": str(Path(ocp_dc.__file__).parents[1])}
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate(timeout=60)  # until the child has closed it
    assert parent.returncode == -signal.SIGKILL
