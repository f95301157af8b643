"""The folders of a run: names that stay inside, one training at a time, and the error of a rank."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ocp_dc.core.errors import DivergenceError, UserError
from ocp_dc.core.write_errors import WriteError
from ocp_dc.fairchem1.train import run_folder as run_folder_module
from ocp_dc.fairchem1.train.ranks import RankError, error_of_rank
from ocp_dc.fairchem1.train.run_folder import LONGEST, check_names, checkpoint_named, job_folder, run_folder

OWNER = """
import sys, time
from pathlib import Path
from ocp_dc.core.locks import folder_lock
with folder_lock(Path(sys.argv[1]), "another"):
    print(flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("key", ["timestamp_id", "identifier"])
@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "/tmp/x", "a/b", "a\\b", "a\nb", "\x1b[0m", "a\0", "x" * (LONGEST + 1), " ", 7]
)
def test_names_stay_in_the_folder(key, name):
    with pytest.raises(UserError, match=r"--(timestamp-id|identifier): got .*expected"):
        check_names({key: name})


def test_good_names():
    for name in ("schnet-1", ".hidden", "2026-01-01-00-00-00-000", "Å 300 K", "x" * LONGEST, "a..b"):
        check_names({"timestamp_id": name, "identifier": name})
    check_names({"timestamp_id": None, "identifier": ""})
    with pytest.raises(UserError, match="--timestamp-id: got ''"):
        check_names({"timestamp_id": "", "identifier": ""})


def config(folder: Path, **changes) -> dict:
    return {"run_dir": str(folder), "timestamp_id": "s", "mode": "train", "is_debug": False, **changes}


@pytest.fixture
def owner(tmp_path):
    command = [sys.executable, "-c", OWNER, str(tmp_path / "checkpoints" / "s")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_the_second_training_is_refused(tmp_path, owner, monkeypatch):
    with (
        pytest.raises(
            UserError, match=rf"another training run with this --timestamp-id works here \(process {owner.pid} on"
        ),
        run_folder(config(tmp_path), patience=0.0),
    ):
        pass
    for other in ({"mode": "predict"}, {"timestamp_id": None}, {"timestamp_id": "other"}, {"is_debug": True}):
        with run_folder(config(tmp_path, **other), patience=0.0):
            pass
    monkeypatch.setattr(run_folder_module, "JOB_PATIENCE", 0.0)
    monkeypatch.setenv("RANK", "1")  # the first rank is the owner
    with job_folder(config(tmp_path)):
        pass
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UserError, match="works here"), job_folder(config(tmp_path)):
        pass
    owner.kill()
    with run_folder(config(tmp_path)):
        pass


def test_leftovers_go_when_a_training_begins(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = ("checkpoints/s/checkpoint.pt.partial", "results/s/validation.csv.partial", f"results/s/.a.{dead.pid}.tmp")
    for name in (*left, "checkpoints/s/checkpoint.pt", f"results/s/.a.{os.getpid()}.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    with run_folder(config(tmp_path)):
        pass
    assert not any((tmp_path / name).exists() for name in left)
    assert (tmp_path / "checkpoints/s/checkpoint.pt").exists()
    assert (tmp_path / f"results/s/.a.{os.getpid()}.tmp").exists()


def test_a_run_dir_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for folder in (tmp_path / "file", tmp_path / "loop", tmp_path / "file" / "x", Path("/proc/x")):
        with (
            pytest.raises(UserError, match=r": cannot be written: .*--run-dir"),
            run_folder(config(folder, mode="predict")),
        ):
            pass


def test_a_full_disk_names_the_run_dir(tmp_path):
    """TensorBoard's error has no name of a file."""
    for mode in ("train", "predict"):
        with pytest.raises(WriteError, match=f"{tmp_path}: .*no space"), run_folder(config(tmp_path, mode=mode)):
            raise OSError(28, "No space left on device")


def test_a_full_disk_names_the_last_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    for state in ("no checkpoint was written before", f"the last checkpoint, {path}, is complete"):
        with pytest.raises(WriteError, match=f"no space is left.*{state}"), checkpoint_named(path):
            raise OSError(28, "No space left on device")
        path.write_text("")
    with pytest.raises(ConnectionError), checkpoint_named(path):
        raise ConnectionError


def test_errors_of_ranks():
    error = error_of_rank(1, "UserError: c.yml: got 3: expected 4", "Traceback")
    assert (type(error), str(error)) == (UserError, "c.yml: got 3: expected 4")
    error = error_of_rank(0, f"DivergenceError: {DivergenceError(3, 'the loss', 'lower it')}", "Traceback")
    assert isinstance(error, DivergenceError)
    assert error.step == 3
    error = error_of_rank(1, "TypeError: odd", "Traceback: in line 3")
    assert isinstance(error, RankError)
    assert str(error) == "rank 1: TypeError: odd"
    assert "in line 3" in str(error.__cause__)
