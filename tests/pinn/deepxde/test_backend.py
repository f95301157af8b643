import os
import subprocess
import sys
from pathlib import Path

CODE = """
import os, torch
{before}
from ocp_dc.pinn.deepxde.backend import dde
assert not torch.overrides._get_current_function_mode_stack()
print(dde.backend.backend_name, torch.get_default_device(), torch.get_default_dtype(), os.environ.get("DDE_BACKEND"))
"""


def run(tmp_path: Path, before: str = "", **environment: str) -> subprocess.CompletedProcess:
    variables = {**os.environ, "HOME": str(tmp_path), **environment}
    command = [sys.executable, "-W", "error", "-c", CODE.format(before=before)]
    return subprocess.run(command, env=variables, capture_output=True, text=True)


def test_the_import_is_silent_and_leaves_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, MPLCONFIGDIR=str(tmp_path / "matplotlib"))
    assert done.stderr == ""
    assert done.stdout.split() == ["pytorch", "cpu", "torch.float32", "None"]
    assert not (tmp_path / ".deepxde").exists()


def test_another_choice_of_the_user_stays(tmp_path: Path) -> None:
    done = run(tmp_path, DDE_BACKEND="jax")
    assert done.stdout.split() == ["pytorch", "cpu", "torch.float32", "jax"]


def test_without_the_extra(tmp_path: Path) -> None:
    done = run(tmp_path, before="import sys; sys.modules['deepxde'] = None")
    assert "need the package 'deepxde', which is not installed: run `pip install 'ocp_dc[pinn]'`" in done.stderr
