"""Children of the command line import nothing from the working folder that the command line itself does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ocp_dc

SCRIPT = """
import multiprocessing, os, subprocess, sys
from ocp_dc.core.search_path import share_with_children

def nothing():
    pass

if __name__ == "__main__":
    share_with_children()
    child = multiprocessing.get_context("spawn").Process(target=nothing)
    child.start()
    child.join()
    subprocess.run([sys.executable, "-m", "ocp_dc", "--version"], check=True)
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no safe path")
@pytest.mark.parametrize("looks_here", [False, True], ids=["console script", "with the working folder"])
def test_modules_in_the_working_folder(tmp_path, looks_here):
    hostile, scripts = tmp_path / "hostile", tmp_path / "bin"
    for folder in (hostile, scripts):
        folder.mkdir()
    for name in ("argparse", "signal", "shlex"):  # of spawn, and of the command line
        (hostile / f"{name}.py").write_text(f"print('imported {name}', flush=True)\nraise SystemExit(9)\n")
    script = scripts / "script.py"
    script.write_text(SCRIPT)
    paths = [str(Path(ocp_dc.__file__).parents[1]), *([str(hostile)] if looks_here else [])]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=hostile, env=environment, capture_output=True, text=True, check=False
    )
    assert ("imported" in done.stdout) == looks_here, done
    assert (done.returncode == 0) != looks_here, done
