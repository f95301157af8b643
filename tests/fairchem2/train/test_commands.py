"""The stock command in its own process: kills, exit status, ranks, and jobs of submitit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ocp_dc.training.safe_torch import load_torch
from ocp_dc.training.validation_log import read_columns

from tests.helpers.fairchem2_toys import ROOT, Runs, command, weights_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SUBMIT = """
import sys
from fairchem.core._cli import get_hydra_config_from_yaml
from fairchem.core.launchers.slurm_launch import SlurmSPMDProgram
from omegaconf import OmegaConf
from submitit import LocalExecutor

config = get_hydra_config_from_yaml(sys.argv[1], sys.argv[2:])
import os
os.makedirs(config.job.metadata.log_dir)
OmegaConf.save(config, config.job.metadata.config_path)
executor = LocalExecutor(folder=config.job.metadata.log_dir)
executor.update_parameters(timeout_min=5)
executor.submit(SlurmSPMDProgram(), config).result()
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def whole(runs: Runs) -> Path:
    return runs.train("whole")


def values(run: Path) -> dict[str, list[float]]:
    columns = read_columns(run / "results" / "validation.csv")
    return {name: found.tolist() for name, found in columns.items() if name not in ("step_time", "peak_memory")}


def test_a_killed_run_resumes_exactly(runs: Runs, whole: Path) -> None:
    killed = command(runs.config, *runs.overrides("killed"), "crash_step=11", f"crash_signal={int(signal.SIGKILL)}")
    assert killed.returncode == -signal.SIGKILL
    run = runs.folder("killed")
    runs.resume(run / "checkpoints" / "step_8", "runner.callbacks.0.step=null")
    assert values(run) == values(whole)
    found, expected = (weights_of(each / "checkpoints" / "final") for each in (run, whole))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_diverged_run_ends_with_status_1_and_its_message_last(runs: Runs) -> None:
    ended = command(runs.config, *runs.overrides("diverged"), "+model.backbone.poison=7")
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert "error: training diverged at step 7: the predicted energy is not finite; " in last
    assert "step_4/resume.yaml" in last


def test_two_ranks_are_one_rank_with_twice_the_batch(runs: Runs) -> None:
    plain = ("model.backbone.dropout=0", "epochs=2", "checkpoint_every_n_steps=1000")
    one = runs.train("one", *plain, "batch_size=4", "eval_batch_size=6")
    overrides = (*plain, "batch_size=2", "eval_batch_size=3", "job.scheduler.ranks_per_node=2")
    two = command(runs.config, *runs.overrides("two"), *overrides)
    assert two.returncode == 0, two.stderr[-2000:]
    run = runs.folder("two")
    found, expected = values(run), values(one)
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == pytest.approx(expected[name], rel=1e-4), name
    records = [json.loads((each / "results" / "test.json").read_text()) for each in (run, one)]
    assert records[0]["n_structures"] == records[1]["n_structures"] == 5  # an odd number, none twice
    assert records[0]["forces_mae"] == pytest.approx(records[1]["forces_mae"], rel=1e-4)
    assert len(load_torch(run / "checkpoints" / "final" / "ocp_dc_progress.pt")["ranks"]) == 2


def test_a_job_of_submitit(runs: Runs, whole: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, "-c", SUBMIT, str(runs.config), *runs.overrides("job")]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert values(runs.folder("job")) == values(whole)
