"""A whole study of small runs: made here, killed and gone on with, failed and diverged runs, and as jobs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.saved_predictions import load_predictions
from ocp_dc.study import cluster
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.results import read_results

from tests.helpers.small_study import ARMS, write_study
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.slow
# ends with NaN after its first validation: the weights leave the finite numbers within some steps
DIVERGES = {"optim.lr_initial": 1.0e30, "optim.scheduler": "Null"}


def run(study: Path, out: Path, *arguments: str) -> int:
    return main(["study", "run", str(study), "--out", str(out), "--cpu", *arguments])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    assert run(write_study(folder), folder / "out") == 0
    return folder


def test_every_run_has_its_records(finished):
    results = read_results(finished / "out")
    assert [(r.arm, r.seed, r.status) for r in results.records] == [
        (arm, seed, "done") for seed in (0, 1) for arm in ("original", "irelu")
    ]
    for record in results.records:
        swaps = record.folder / "results" / "train" / "surgery.json"
        assert swaps.exists() == (record.arm == "irelu")
        assert (record.folder / "results" / "train" / "environment.json").is_file()
        assert (record.folder / "checkpoints" / "train" / "best_checkpoint.pt").is_file()
        assert not (record.folder / "checkpoints" / "train" / "checkpoint.pt").exists()
        assert len(record.curves["epoch"]) == 3
        assert set(record.metrics) == {quantity.key for quantity in results.quantities}


def test_errors_are_those_of_the_predictions(finished):
    for record in read_results(finished / "out").records:
        predictions = load_predictions(record.folder / "predictions.npz")
        assert len(predictions.energy_true) == 10
        assert record.metrics["energy_mae"] == pytest.approx(np.abs(predictions.energy_error).mean(), rel=1e-12)
        assert record.metrics["forces_mae"] == pytest.approx(np.abs(predictions.forces_error).mean(), rel=1e-12)


def test_arms_of_a_seed_begin_alike(finished):
    weights = {(r.arm, r.seed): r.initial_weights for r in read_results(finished / "out").records}
    assert weights["original", 0] == weights["irelu", 0]
    assert weights["original", 0] != weights["original", 1]


def test_the_report_is_written(finished, capsys):
    assert main(["study", "report", str(finished / "out")]) == 0
    assert {"report.md", "report.html", "table.csv", "runs.csv"} <= {path.name for path in (finished / "out").iterdir()}
    assert "ocp-dc study run" in (finished / "out" / "report.md").read_text()


def test_what_is_done_is_not_done_again(finished):
    results = sorted((finished / "out" / "runs").glob("*/result.json"))
    before = [path.stat().st_mtime_ns for path in results]
    assert run(finished / "study.yml", finished / "out") == 0
    assert [path.stat().st_mtime_ns for path in results] == before


def logs(out: Path) -> dict[str, bytes]:
    """Everything that a run's errors follow from, by run."""
    return {path.parent.name: (path.read_bytes()) for path in (out / "runs").glob("*/predictions.npz")}


def test_killed_in_the_middle_and_started_again(finished, tmp_path):
    study, out = finished / "study.yml", tmp_path / "out"
    command = [sys.executable, "-m", "ocp_dc", "study", "run", str(study), "--out", str(out), "--cpu", "--jobs", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: process.poll() is not None or any(out.glob("runs/*/checkpoints/train/checkpoint.pt")), every=0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(logs(out)) < 4
    assert run(study, out) == 0
    assert sorted(logs(out)) == sorted(logs(finished / "out"))
    ours, theirs = read_results(out), read_results(finished / "out")
    for mine, uninterrupted in zip(ours.records, theirs.records, strict=True):
        assert mine.id == uninterrupted.id
        for key in ("energy_mae", "forces_mae", "train_loss", "train_loss_forces"):
            assert mine.metrics[key] == uninterrupted.metrics[key]
        np.testing.assert_array_equal(mine.curves["epoch"], [1, 2, 3])


def test_a_run_that_diverges_is_a_result_and_one_that_fails_is_not(tmp_path, capsys):
    out = tmp_path / "out"
    study = write_study(tmp_path, arms={**ARMS, "diverges": DIVERGES}, seeds=[0])
    assert main(["study", "run", str(study), "--out", str(out), "--cpu", "--dry-run"]) == 0
    assert run(study, out) == 0
    records = {r.arm: r for r in read_results(out).records}
    assert records["diverges"].status == "diverged"
    assert records["diverges"].message.startswith("diverged at step ")
    assert records["diverges"].metrics == {}

    broken = records["irelu"].folder
    (broken / "result.json").unlink()
    weights = broken / "checkpoints" / "train" / "best_checkpoint.pt"
    weights.write_bytes(b"nothing")
    (broken / "checkpoints" / "train" / "checkpoint.pt").write_bytes(b"nothing")
    assert run(study, out) == 3
    assert "failed: " in capsys.readouterr().out
    record = next(r for r in read_results(out).records if r.arm == "irelu")
    assert record.status == "failed"
    assert "checkpoint" in record.message
    assert records["original"].folder.joinpath("result.json").is_file()


def test_parameters_of_the_queue_are_checked_in_a_dry_run_too(finished, tmp_path, capsys):
    assert run(finished / "study.yml", tmp_path / "out", "--dry-run", "--submit", "partition") == 2
    assert "--submit: got 'partition', expected KEY=VALUE" in capsys.readouterr().err


def test_two_at_once_are_refused(finished, capsys):
    import fcntl

    with (finished / "out" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run(finished / "study.yml", finished / "out") == 2
    assert "another `ocp-dc study run` works here" in capsys.readouterr().err


def test_a_run_that_another_process_holds(finished):
    folder = RunFolder(next((finished / "out" / "runs").iterdir()))
    with folder.locked(), pytest.raises(UserError, match="another process works here"):
        folder.locked(patience=0.1).__enter__()


# submitit's handles of local jobs go while the jobs work on
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_as_jobs(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    study, out = write_study(tmp_path, seeds=[0]), tmp_path / "out"
    assert run(study, out, "--submit", "cluster=local", "timeout_min=60") == 0
    assert "2 jobs submitted, 0 in the queue before" in capsys.readouterr().out
    assert run(study, out, "--submit", "cluster=local", "timeout_min=60") == 0
    assert "0 jobs submitted" in capsys.readouterr().out
    wait_for(lambda: len(list(out.glob("runs/*/result.json"))) == 2, every=0.2)
    assert [r.status for r in read_results(out).records] == ["done", "done"]


def test_the_levels_of_arms_are_kept_for_the_report(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "submit_all", lambda *_, **__: [])
    coefficients = {"own": ARMS["original"], "IReLU": ARMS["irelu"]}
    rates = {name: {"optim.lr_initial": float(name)} for name in ("1e-3", "1e-4")}
    study = write_study(tmp_path, axes={"output": coefficients, "rate": rates}, arms={"third": {"optim.lr_initial": 1}})
    assert run(study, tmp_path / "out", "--submit", "cluster=local") == 0
    results = read_results(tmp_path / "out")
    assert results.levels == {
        f"{output} / {rate}": {"output": output, "rate": rate} for output in coefficients for rate in rates
    }
    assert "third" in results.arms
    capsys.readouterr()
    assert main(["study", "report", str(tmp_path / "out")]) == 0
    assert "and 1 more did not finish with each seed" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "out" / "effects.csv").is_file()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["partition"], "expected KEY=VALUE"),
        (["cluster=local", "partitoin=x"], "--submit"),
        (["cluster=debian"], "--submit"),
    ],
)
def test_bad_settings_of_the_queue(tmp_path, settings, words):
    with pytest.raises(UserError, match=words):
        cluster.submit_all([], tmp_path, settings, 1, cpu=True)


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_folders_without_a_study(tmp_path, capsys, content):
    if content is not None:
        (tmp_path / "study.json").write_text(content)
    assert main(["study", "report", str(tmp_path)]) == 2
    assert "study.json" in capsys.readouterr().err


def test_json_is_strict(finished):
    for path in (finished / "out").rglob("*.json"):
        json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
