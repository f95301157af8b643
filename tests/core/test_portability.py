"""The package without what only Linux and macOS have, as on Windows: it imports, and its lock holds."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ocp_dc

ROOT = Path(ocp_dc.__file__).parent
POSIX = ("fcntl", "grp", "pwd", "resource", "termios")
# layers that must import where neither fairchem nor DeepXDE is installed
HOSTLESS = ("core", "nn", "surgery", "labels", "models", "data", "training", "evaluation")

# the beginning of a program: modules that cannot be imported, and functions that os does not have
WINDOWS = f"""
import importlib.abc, os, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

HIDDEN = {POSIX!r}
for name in HIDDEN:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Missing())
"""
# the rest of Windows that the core meets; other packages decide by more than one name and would be confused
OTHER_OS = """
for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "register_at_fork", "pread", "pwrite"):
    delattr(os, name)
"""
IMPORT_ALL = """
HIDDEN += ("fairchem", "deepxde", "hydra", "omegaconf", "torchtnt", "metatensor", "metatomic", "torch_sim")
import importlib, pathlib
root = pathlib.Path(sys.argv[1])
done, without = [], []
for path in sorted(root.rglob("*.py")):
    parts = path.relative_to(root.parent).with_suffix("").parts
    name = ".".join(parts).removesuffix(".__init__")
    try:
        importlib.import_module(name)
        done.append(name)
    except Exception as error:  # the message for users has the cause behind it
        missing = getattr(error.__cause__ or error, "name", None) or ""
        if missing.partition(".")[0] not in HIDDEN and "needs fairchem-core" not in str(error):
            raise
        without.append(name)
print(*without)
"""
# Windows' own call over POSIX record locks, which also exclude other processes; os has them without fcntl
MSVCRT = """
import types
msvcrt = types.ModuleType("msvcrt")
msvcrt.LK_NBLCK, msvcrt.LK_UNLCK = 2, 0
def locking(handle, mode, count):
    os.lockf(handle, os.F_TLOCK if mode == msvcrt.LK_NBLCK else os.F_ULOCK, count)
msvcrt.locking = locking
sys.modules["msvcrt"] = msvcrt
"""
LOCK = """
from pathlib import Path
from ocp_dc.core.locks import folder_lock
with folder_lock(Path(sys.argv[1]), "another process"):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def run(program: str, *arguments: str, **options: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT.parent, input="\n", timeout=300, **options)  # type: ignore[call-overload]


@pytest.mark.slow
def test_every_module_imports():
    # psutil, of torch_geometric, has another implementation on Windows
    done = run("import psutil\n" + WINDOWS + IMPORT_ALL, str(ROOT))
    assert done.returncode == 0, done.stderr
    without_hosts = done.stdout.split()
    assert not [name for name in without_hosts if name.split(".")[1] in HOSTLESS]
    assert "ocp_dc.fairchem1.trainer" in without_hosts  # the finder hides what it should


@pytest.mark.parametrize("module", POSIX)
def test_the_finder_hides(module):
    assert f"No module named '{module}'" in run(f"{WINDOWS}import {module}").stderr


def test_no_bare_import_of_what_windows_lacks():
    """Also in what needs fairchem or DeepXDE, which the other test cannot import."""
    bare = []
    for path in ROOT.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            bare += [f"{path}: {name}" for name in names if name in POSIX]
    assert bare == []


@pytest.mark.parametrize("missing", [WINDOWS, WINDOWS + OTHER_OS])
def test_a_locked_byte_excludes_another_process(tmp_path, missing):
    program = missing + MSVCRT + LOCK
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT.parent, text=True) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        assert first.stdout.readline() == "locked\n"
        second = run(program, str(tmp_path))
        assert f"another process works here (process {first.pid} on " in second.stderr
        first.stdin.write("\n")
        first.stdin.close()
        assert first.wait() == 0
    assert run(program, str(tmp_path)).stdout == "locked\n"  # and a file that is there locks nothing


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / ".lock").symlink_to(tmp_path / "theirs")
    assert ".lock: is a link" in run(WINDOWS + OTHER_OS + MSVCRT + LOCK, str(tmp_path)).stderr
    assert not (tmp_path / "theirs").exists()


def test_a_system_without_any_locks(tmp_path):
    done = run(WINDOWS + LOCK, str(tmp_path))
    assert done.stdout == "locked\n"
    assert "has no locks" in done.stderr


def test_an_append_without_the_flags_of_posix(tmp_path):
    program = "from pathlib import Path\nfrom ocp_dc.core import row_table\n"
    program += 'row_table.append(Path(sys.argv[1]), ["step"], {"step": "1"})'
    done = run(WINDOWS + OTHER_OS + program, str(tmp_path / "table.csv"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "table.csv").read_text() == "1\n"
