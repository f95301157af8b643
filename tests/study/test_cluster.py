"""Jobs that wait or work are not submitted again."""

from __future__ import annotations

import os
import subprocess
import sys

from ocp_dc.core.files import write_json
from ocp_dc.study.cluster import _in_queue, submit_all
from ocp_dc.study.folders import RunFolder


def test_a_local_job_of_another_user_is_in_the_queue(tmp_path, monkeypatch, capsys):
    def kill(process: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    folder = RunFolder(tmp_path / "run")
    write_json(folder.path / "job.json", {"id": "1", "cluster": "local"})
    monkeypatch.setattr(os, "kill", kill)
    assert submit_all([folder], tmp_path / "jobs", ["cluster=local"], 1, cpu=True) == []
    assert "0 jobs submitted, 1 in the queue before" in capsys.readouterr().out


def test_a_local_job_that_ended_is_not_in_the_queue(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = RunFolder(tmp_path / "run")
    write_json(folder.path / "job.json", {"id": str(ended.pid), "cluster": "local"})
    assert not _in_queue(folder, tmp_path / "jobs", "local")
    write_json(folder.path / "job.json", {"id": str(os.getpid()), "cluster": "local"})
    assert _in_queue(folder, tmp_path / "jobs", "local")
    assert not _in_queue(folder, tmp_path / "jobs", "slurm")
