"""Several ranks: spawned processes have the fallbacks, and data-loader workers read what the trainer fitted."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from runs import Run, run_main


@pytest.mark.slow
def test_two_ranks_train(tmp_path, small_config):
    """The labels are fitted once and shared, and the run leaves one set of files."""
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(small_config(optim={"max_epochs": 1})))
    command = [sys.executable, "-m", "ocp_dc", "main", "--mode", "train", "--config-yml", str(path), "--cpu"]
    command += ["--num-gpus", "2", "--run-dir", str(tmp_path), "--timestamp-id", "two"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    run = Run(0, tmp_path, "two")
    assert run.load()["step"] == 2  # 40 structures in batches of 10 on each of 2 ranks
    assert len(run.load()["random_states"]) == 2
    assert run.load()["label_rescaling"]["scale"] > 0
    assert len(run.validations()) == 1


def test_loader_workers(tmp_path, small_config):
    """Samples that come from worker processes are the same, and so are the weights."""
    alone = run_main(tmp_path, small_config(optim={"num_workers": 0}))
    workers = run_main(tmp_path, small_config(optim={"num_workers": 1}))
    assert alone.status == workers.status == 0
    state = workers.load()["state_dict"]
    assert all(value.equal(state[name]) for name, value in alone.load()["state_dict"].items())
