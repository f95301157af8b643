"""Whole searches of small runs: killed and continued, with more trials, failed, diverged, and as jobs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ocp_dc.cli import main
from ocp_dc.core.files import read_record
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.search.worker import trial_lock
from ocp_dc.training.validation_log import read_columns

from tests.helpers.small_search import SPACE, trial_table, write_search
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.slow
ONE_RUNG = [{"share": 1, "seeds": [0]}]
# the weights leave the finite numbers within some steps
DIVERGES = {"optim.lr_initial": [1.0e-3, 1.0e30]}


def run(search: Path, out: Path, *arguments: str) -> int:
    return main(["study", "search", str(search), "--out", str(out), "--cpu", "--jobs", "1", *arguments])


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ethanol):
    """A search on data without a test set."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(ethanol, folder / "data")
    shutil.rmtree(folder / "data" / "test")
    search = write_search(folder, data={"own": {"path": str(folder / "data")}})
    assert run(search, folder / "out") == 0
    return folder


def test_scores_are_those_of_the_validation(finished):
    rows = trial_table(finished / "out")
    assert [row["trial"] for row in rows] == ["0", "1"]
    assert rows[0]["state"] == "done"
    assert (rows[0]["optim.lr_initial"], rows[0]["optim.batch_size"]) == ("0.001", "20")
    done = [RunFolder(path.parent) for path in (finished / "out" / "runs").glob("*/result.json")]
    assert len(done) == sum(int(row["rung"]) for row in rows)
    for folder in done:
        assert (folder.description()["test"], (folder.path / "predictions.npz").exists()) == (None, False)
        columns = read_columns(folder.results / "validation.csv")
        best = int(np.argmin(columns["loss"]))
        found = folder.read("result.json")["validation"]
        assert found == {key: columns[key][best] for key in ("energy_mae", "forces_mae")}
    for row in rows:
        energy, forces = (float(row[f"own {key}"]) / 1e3 for key in ("energy_mae [meV]", "forces_mae [meV/Å]"))
        assert float(row["score"]) == pytest.approx((np.log(energy) + np.log(forces)) / 2)


def test_the_recipe_and_the_finals_are_those_of_the_best_trial(finished, capsys):
    best = min(
        (row for row in trial_table(finished / "out") if row["state"] == "done"), key=lambda r: float(r["score"])
    )
    recipe = yaml.safe_load((finished / "out" / "best" / "schnet-stock.yml").read_text())
    assert recipe["optim"]["lr_initial"] == float(best["optim.lr_initial"])
    assert recipe["model"]["hidden_channels"] == 16
    weight = recipe["loss_functions"][1]["forces"]["coefficient"]
    assert weight == float(best["loss_functions.forces.coefficient"])
    finals = yaml.safe_load((finished / "out" / "finals.yml").read_text())
    changes = finals["arms"]["stock"]["models"]["schnet"]
    assert {key: str(value) for key, value in changes.items()} == {key: best[key] for key in SPACE}
    assert finals["seeds"] == [1, 2, 3, 4, 5]  # the search has seen 0
    config = str(finished / "out" / "best" / "schnet-stock.yml")
    assert main(["inspect", "md17/schnet-stock", "--with", config]) == 0
    shutil.copytree(finished / "data" / "val", finished / "data" / "test")
    arguments = ["study", "run", str(finished / "out" / "finals.yml"), "--out", str(finished / "finals"), "--dry-run"]
    assert main(arguments) == 0
    shutil.rmtree(finished / "data" / "test")
    assert "5 runs, 2 epochs each" in capsys.readouterr().out


def _ended_or_made(process: subprocess.Popen, runs: Path, pattern: str, count: int) -> bool:
    return process.poll() is not None or len([*runs.glob(pattern)]) >= count


@pytest.mark.long
def test_killed_in_the_middle_and_started_again(finished, tmp_path):
    out, runs = tmp_path / "out", tmp_path / "out" / "runs"
    command = [sys.executable, "-m", "ocp_dc", "study", "search", str(finished / "search.yml"), "--out", str(out)]
    # in the first run, whose next process continues its checkpoint, and in the second trial
    for pattern, count in (("*/checkpoints/train/checkpoint.pt", 1), ("*/run.json", 3)):
        with subprocess.Popen(
            [*command, "--cpu", "--jobs", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            wait_for(partial(_ended_or_made, process, runs, pattern, count), every=0.01)
            os.kill(process.pid, signal.SIGKILL)
    assert not (out / "trials.csv").exists()
    assert run(finished / "search.yml", out) == 0
    assert trial_table(out) == trial_table(finished / "out")
    assert {path.name for path in runs.iterdir()} == {path.name for path in (finished / "out" / "runs").iterdir()}


def test_a_larger_number_continues_and_a_changed_search_is_refused(finished, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    before = trial_table(out)
    search = write_search(tmp_path, data={"own": {"path": str(finished / "data")}}, trials=3)
    assert run(search, out) == 0
    assert trial_table(out)[:2] == before
    assert len(trial_table(out)) == 3
    changes: dict[str, dict[str, Any]] = {
        "another space of stock": {"space": {**SPACE, "optim.batch_size": [5, 10]}},
        "another budget": {"budget": {"epochs": 3}},
        "another data": {"data": {"other": {"path": str(finished / "data")}}},
        "another seed": {"seed": 1},
        "another config of schnet, arm stock, on own": {"common": {"model.hidden_channels": 24}},
    }
    for message, change in changes.items():
        search = write_search(tmp_path, **{"data": {"own": {"path": str(finished / "data")}}, **change})
        assert run(search, out) == 2
        assert message in capsys.readouterr().err
    assert main(["study", "report", str(out)]) == 0
    assert read_record(out / "search.json", "")["trials"] == 3


def test_a_change_of_an_arm_that_is_not_selected_is_refused(finished, tmp_path, capsys):
    out, data = tmp_path / "out", {"own": {"path": str(finished / "data")}}
    shutil.copytree(finished / "out", out)
    for arms, message in (
        ({"stock": {"optim.ema_decay": 0.5}, "dc": {}}, "another config of schnet, arm stock, on own"),
        ({"dc": {}}, "has trials of schnet, arm stock, which search.yml no longer has"),
    ):
        search = write_search(tmp_path, data=data, arms=arms, trials=3)
        assert run(search, out, "--arms", "dc") == 2
        assert message in capsys.readouterr().err
    assert trial_table(out) == trial_table(finished / "out")


def test_a_report_from_another_folder(finished, tmp_path, monkeypatch, capsys):
    """The data set was given by its path from the folder in which the search was started."""
    monkeypatch.chdir(finished)
    search = write_search(tmp_path, trials=1, rungs=ONE_RUNG, budget={"epochs": 1})
    assert run(search, tmp_path / "out", "--data", "mine=data") == 0
    monkeypatch.chdir(tmp_path)
    assert main(["study", "report", "out"]) == 0
    assert yaml.safe_load(Path("out/finals.yml").read_text())["data"] == {"mine": {"path": str(finished / "data")}}


def test_a_run_that_fails_is_tried_again(tmp_path, capsys):
    search, out = write_search(tmp_path, trials=1, rungs=ONE_RUNG, budget={"epochs": 1}), tmp_path / "out"
    assert run(search, out) == 0
    [made] = (out / "runs").iterdir()
    shutil.rmtree(out)
    (out / "runs").mkdir(parents=True)
    (out / "runs" / made.name).write_text("no folder")
    assert run(search, out) == 3
    assert "failed: schnet stock trial 0" in capsys.readouterr().out
    assert [row["state"] for row in trial_table(out)] == ["failed"]
    (out / "runs" / made.name).unlink()
    assert run(search, out) == 0
    assert [row["state"] for row in trial_table(out)] == ["done"]


def test_a_run_that_diverges_ends_its_trial(tmp_path):
    common = {"model.hidden_channels": 16, "model.num_filters": 16, "optim.scheduler": "Null", "optim.ema_decay": 0.9}
    search = write_search(tmp_path, space=DIVERGES, common=common, rungs=ONE_RUNG, trials=3, budget={"epochs": 1})
    assert run(search, tmp_path / "out") == 0
    rows = trial_table(tmp_path / "out")
    diverged = [row for row in rows if row["state"] == "diverged"]
    assert diverged
    for row in rows:
        assert (row["state"] == "diverged") == (row["optim.lr_initial"] == "1e+30")
        assert (row["score"] == "") == ("diverged at step" in row["message"]) == (row["state"] == "diverged")
        if row["state"] == "done":  # 0.9 * 0.9 of the first weights are left
            assert row["message"].startswith("schnet on sample, arm stock: ema_decay: 0.9 over 2 steps leaves 81 % of")


@pytest.mark.long
# submitit's handles of local jobs go while the jobs work on
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_pareto_search_by_jobs(tmp_path, capsys):
    search, out = write_search(tmp_path, objective="pareto", rungs=ONE_RUNG, budget={"epochs": 1}), tmp_path / "out"
    arguments = ["study", "search", str(search), "--out", str(out), "--cpu", "--jobs", "2", "--threads", "1"]
    assert main([*arguments, "--submit", "cluster=local"]) == 0
    assert "2 jobs submitted" in capsys.readouterr().out
    wait_for(lambda: len([*out.glob("runs/*/result.json")]) == 2)
    for number in range(2):
        with trial_lock(out, ("schnet", "stock"), number, patience=10):
            pass
    assert main(arguments) == 0
    rows = trial_table(out)
    assert [row["state"] for row in rows] == ["done"] * 2
    errors = np.array(
        [[float(row[f"sample {key}"]) for key in ("energy_mae [meV]", "forces_mae [meV/Å]")] for row in rows]
    )
    front = [i for i, own in enumerate(errors) if not any((other < own).all() for other in errors)]
    found = sorted(int(path.read_text().split()[2]) for path in (out / "best").iterdir())
    assert found == front
