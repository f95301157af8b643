"""Studies on fairchem 2: configs of arms, and a whole small study."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.saved_predictions import load_predictions
from ocp_dc.fairchem2.study_runs import StudyRuns
from ocp_dc.study.plan import Choices, make_plan
from ocp_dc.study.results import read_results
from ocp_dc.study.run_warnings import run_warnings
from ocp_dc.study.spec import read_study
from ocp_dc.training.study_runs import DataSource

from tests.helpers.fairchem2_runs import command, write_study

ARMS = {
    "original": {},
    "irelu": {"model.dc.activation": {"name": "irelu", "coefficient": 0.25}, "model.dc.region": "output"},
    "diverges": {"lr": 1.0e30},
}


def plan(out, folder, choices=None, **changes):
    return make_plan(read_study(write_study(folder, **changes)), out, choices or Choices())


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


def test_configs_of_the_arms(out, tmp_path):
    original, irelu = plan(out, tmp_path).runs
    assert "dc" not in original.config["model"]
    assert irelu.config["model"]["dc"] == {"activation": {"name": "irelu", "coefficient": 0.25}, "region": "output"}
    for run in (original, irelu):
        assert run.config["epochs"] == 2
        assert run.config["data_dir"] == str(out / "data" / "ethanol-40-10-10-aselmdb")
        assert run.config["model"]["backbone"]["hidden_channels"] == 16
        assert run.config["test_dataloader"] is None  # a study tests by itself
        assert run.test == {"src": str(out / "data" / "ethanol-40-10-10-aselmdb" / "test"), "first_n": 10}
    assert {path.name for path in (out / "data" / "ethanol-40-10-10-aselmdb").iterdir()} >= {"train", "val", "test"}


def test_the_study_of_this_package_about_the_extent(out, tmp_path):
    from ocp_dc.core.config_names import find_config

    study = read_study(find_config("studies/extent", "a study"))
    data = f"sample={out / 'data' / 'ethanol-40-10-10-aselmdb'}"
    plan(out, tmp_path)  # prepares the data
    runs = make_plan(study, out, Choices("smoke", data=[data], models=["schnet"])).runs
    assert [run.arm for run in runs] == ["original", "output blocks", "all layers"]


def test_identifiers_go_with_the_data_not_with_their_place(out, tmp_path):
    plan(out, tmp_path)
    (tmp_path / "elsewhere").symlink_to(out / "data")
    first, second = (
        plan(out, tmp_path, Choices(data=[f"d={folder / 'ethanol-40-10-10-aselmdb'}"])).runs[0]
        for folder in (out / "data", tmp_path / "elsewhere")
    )
    assert first.id == second.id
    assert first.config["data_dir"] != second.config["data_dir"]


def test_warnings_about_averages(out, tmp_path):
    short = plan(out, tmp_path, arms={"original": {"ema_decay": 0.9}, "none": {"ema_decay": None}})
    [text] = run_warnings(short.engine, short.runs)
    steps = 2 * math.ceil(40 / short.runs[0].config["batch_size"])
    assert f"arm original: ema_decay: 0.9 over {steps} steps leaves {100 * 0.9**steps:.2g} % of" in text


def test_first_n_and_budgets(out, tmp_path):
    data = {"d": {"path": str(out / "data" / "ethanol-40-10-10-aselmdb"), "train": 20, "val": 5}}
    plan(out, tmp_path)
    made = plan(out, tmp_path, data=data, budget={"steps": 5}, common={"batch_size": 5})
    config = made.runs[0].config
    assert config["epochs"] == 2  # 20 structures in batches of 5
    assert config["train_dataset"]["dataset_configs"]["data"]["splits"]["train"]["first_n"] == 20
    assert config["val_dataset"]["dataset_configs"]["data"]["splits"]["val"]["first_n"] == 5


def test_a_budget_in_minutes(out, tmp_path):
    made = plan(out, tmp_path, budget={"minutes": 0.02})
    (path,) = out.glob("step_times.json")
    times = json.loads(path.read_text())
    assert len(times) == 2
    assert {run.config["epochs"] for run in made.runs} == {max(1, int(1.2 / (4 * t))) for t in times.values()}


ANGLES = {
    "detached": {"model.backbone.angle_gradients": "stock"},
    "exact": {"model.backbone.angle_gradients": "exact"},
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms": {"a": {"model.dc.regoin": "full"}}}, r"arm 'a', model 'schnet': model\.dc: .*Did you mean 'region'"),
        ({"arms": {"a": {"epohcs": 3}}}, r"unknown key epohcs"),
        ({"arms": {"a": {"runner.max_epoch": 3}}}, r"has no argument 'max_epoch'\. Did you mean 'max_epochs'"),
        ({"arms": {"a": {"model.backbone.cutof": 3}}}, r"Did you mean 'cutoff'"),
        ({"arms": {"a": {}, "b": {"model.dc.activation": "original"}}}, "'a' and 'b' are the same run"),
        ({"base": "md17/schnet-stock"}, r"schnet-stock\.yml: has no data_dir; a study needs the keys"),
        (
            {"models": ["dimenetplusplus"], "common": {}, "arms": ANGLES},
            r"forces are derived in different ways .not -dE/dx: detached; -dE/dx: exact",
        ),
        ({"host": "fairchem1"}, r"host: expected fairchem 1\.10, but fairchem 2\.24 is installed"),
        ({"base": {"fairchem1": "md17/schnet-stock"}}, r"base: has no value for fairchem2"),
    ],
)
def test_what_cannot_run_is_refused(out, tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        plan(out, tmp_path, **changes)


def test_the_same_run_in_other_words():
    runs = StudyRuns()
    config = {"model": {"x": 1, "dc": {"activation": "irelu", "region": "output"}}}
    other = {"model": {"x": 1, "dc": {"activation": {"name": "irelu", "coefficient": 0.5}, "region": "output"}}}
    assert runs.fingerprint(config) == runs.fingerprint(other)
    assert runs.fingerprint(config) != runs.fingerprint({"model": {"x": 1}})


def test_changes_leave_the_config_as_it_is(out, tmp_path):
    runs, config = StudyRuns(), plan(out, tmp_path).runs[0].config
    kept = json.dumps(config)
    runs.with_epochs(config, 7)
    runs.with_data(config, {"train": DataSource("/a/train", 3), "val": DataSource("/a/val", 2)})
    assert json.dumps(config) == kept


@pytest.mark.slow
def test_a_study_from_start_to_report(tmp_path):
    study = write_study(tmp_path, arms=ARMS)
    done = command("study", "run", str(study), "--out", "out", "--cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = {record.arm: record for record in read_results(tmp_path / "out").records}
    assert {arm: record.status for arm, record in records.items()} == {
        "original": "done",
        "irelu": "done",
        "diverges": "diverged",
    }
    assert "diverged at step" in records["diverges"].message
    for arm in ("original", "irelu"):
        record = records[arm]
        assert len(record.curves["epoch"]) == 2
        predictions = load_predictions(record.folder / "predictions.npz")
        assert record.metrics["energy_mae"] == pytest.approx(np.abs(predictions.energy_error).mean(), rel=1e-12)
        assert {"train_loss", "step_time", "forces_cosine"} <= set(record.metrics)
        assert (record.folder / "train" / "results" / "best_inference_ckpt.pt").is_file()
        assert not (record.folder / "train" / "checkpoints").exists()
    assert records["original"].initial_weights == records["irelu"].initial_weights
    assert (tmp_path / "out" / "report.md").is_file()
    kept = {path: path.stat().st_mtime_ns for path in Path(tmp_path, "out", "runs").glob("*/result.json")}
    again = command("study", "run", str(study), "--out", "out", "--cpu", cwd=tmp_path)
    assert again.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
