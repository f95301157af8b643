"""``--submit``: where there is no Slurm, submitit runs the job on this machine, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import psutil
import pytest
import yaml

from tests.helpers.runs import Run, run_main
from tests.helpers.waiting import wait_for

EPOCHS = 40


@pytest.mark.slow
def test_a_submitted_job_is_preempted_and_ends_as_if_it_was_not(tmp_path, small_config):
    """The job's pickle imports the hooks before fairchem; a preempted one is queued again and goes on."""
    config = small_config(optim={"max_epochs": EPOCHS})
    (tmp_path / "job.yml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "ocp_dc", "main", "--mode", "train", "--config-yml", str(tmp_path / "job.yml")]
    command += ["--cpu", "--run-dir", str(tmp_path), "--timestamp-id", "job"]
    command += ["--submit", "--logdir", str(tmp_path / "logs")]
    with (tmp_path / "said").open("w") as said:  # the job inherits it, and a pipe would be read to the job's end
        subprocess.run(command, check=True, stdout=said, stderr=said)
    [job] = re.findall(r"Submitted jobs: (\d+)", (tmp_path / "said").read_text())
    run = Run(0, tmp_path, "job")
    logs = tmp_path / "logs" / job
    wait_for(run.checkpoint().is_file)
    task = psutil.Process(int(job)).children()[0]
    os.kill(task.pid, signal.SIGUSR2)
    wait_for((logs / f"{job}_0_result.pkl").exists)
    text = (logs / f"{job}_0_log.out").read_text() + (logs / f"{job}_0_log.err").read_text()
    assert f"Requeued job {job}" in text
    assert f"loading checkpoint {run.checkpoint()}" in run.result("fairchem.log").read_text()
    assert run.result("test.json").is_file()

    alone = run_main(tmp_path, config).load()
    job_weights = run.load()["state_dict"]
    assert run.load()["epoch"] == alone["epoch"] == EPOCHS
    assert all(job_weights[name].equal(weight) for name, weight in alone["state_dict"].items())


def test_ranks_of_a_job(monkeypatch):
    """Fairchem's own way stays where it works: Slurm with GPUs."""
    from ocp_dc.fairchem1.train.runner import with_local_rank

    here = {"submit": False, "cpu": True}
    assert with_local_rank(here) is here
    monkeypatch.setenv("SLURM_JOB_NODELIST", "node[1-2]")
    gpus = {"submit": True, "cpu": False}
    assert with_local_rank(gpus) is gpus
    # submitit's own variables, as its local executor sets them for the second of two tasks
    job = {
        "EXECUTOR": "local",
        "LOCAL_JOB_ID": "7",
        "LOCAL_NTASKS": "2",
        "LOCAL_JOB_NUM_NODES": "1",
        "LOCAL_NODEID": "0",
    }
    for name, value in {**job, "LOCAL_GLOBALID": "1", "LOCAL_LOCALID": "1"}.items():
        monkeypatch.setenv(f"SUBMITIT_{name}", value)
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "stale")
    monkeypatch.delenv("MASTER_PORT")
    assert with_local_rank({"submit": True, "cpu": True}) == {"submit": False, "cpu": True}
    assert (os.environ["RANK"], os.environ["LOCAL_RANK"], os.environ["WORLD_SIZE"]) == ("1", "1", "2")
    assert 20000 <= int(os.environ["MASTER_PORT"]) <= 60000
