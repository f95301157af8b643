from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
import yaml

from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_json
from ocp_dc.study.commands import _write_study
from ocp_dc.study.engines.potentials import SMOKE
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.plan import Choices, make_plan
from ocp_dc.study.results import read_results
from ocp_dc.study.run_warnings import run_warnings
from ocp_dc.study.spec import read_study

from tests.helpers.own_data import molecules
from tests.helpers.small_study import ARMS, CONFIGS, SMALL, plan, write_study


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


def test_runs(out, tmp_path):
    made = plan(out, tmp_path)
    assert [(run.arm, run.seed) for run in made.runs] == [("original", 0), ("irelu", 0), ("original", 1), ("irelu", 1)]
    assert len({run.id for run in made.runs}) == 4
    config = made.runs[1].config
    assert config["optim"]["max_epochs"] == 3
    assert config["dataset"]["train"]["first_n"] == 40
    assert "test" not in config["dataset"]
    assert made.runs[1].test == {"src": str(out / "data" / "ethanol-40-10-10" / "test"), "first_n": 10}


def test_chosen_arms_come_with_the_baseline(out, tmp_path):
    whole = plan(out, tmp_path)
    baseline, other = whole.study.baseline, whole.study.arms[-1].name
    made = plan(out, tmp_path, Choices(arms=[other]))
    assert [arm.name for arm in made.study.arms] == [baseline, other]
    assert {run.id for run in made.runs} == {run.id for run in whole.runs if run.arm in (baseline, other)}


@pytest.mark.parametrize(("budget", "epochs"), [({"steps": 5}, 3), ({"steps": 4}, 2), ({"epochs": 7}, 7)])
def test_budgets_in_whole_epochs(out, tmp_path, budget, epochs):
    made = plan(out, tmp_path, budget=budget)  # 40 structures in batches of 20
    assert {run.config["optim"]["max_epochs"] for run in made.runs} == {epochs}


def test_a_budget_in_minutes_is_equal_time(out, tmp_path):
    made = plan(out, tmp_path, budget={"minutes": 0.02})
    (path,) = out.glob("step_times.json")
    times = sorted(json.loads(path.read_text()).values())
    epochs = sorted({run.config["optim"]["max_epochs"] for run in made.runs}, reverse=True)
    assert epochs == sorted({max(1, int(1.2 / (2 * seconds))) for seconds in times}, reverse=True)
    kept = path.read_text()
    assert [run.id for run in plan(out, tmp_path, budget={"minutes": 0.02}).runs] == [run.id for run in made.runs]
    assert path.read_text() == kept


def test_smoke(out, tmp_path):
    made = plan(out, tmp_path, Choices("smoke"))
    assert made.seeds == tuple(cast("list[int]", SMOKE["seeds"]))
    assert made.runs[0].config["optim"]["max_epochs"] == SMOKE["epochs"]


def test_a_kind_of_budget_of_the_study_takes_the_place_of_the_engines(out, tmp_path):
    made = plan(out, tmp_path, Choices("smoke"), smoke={"steps": 4, "train": 20})
    assert str(made.budget) == "4 steps, at most 20 train, 20 val, 20 test structures"
    assert str(plan(out, tmp_path, smoke={"steps": 4}).budget) == "3 epochs"
    assert made.seeds == tuple(cast("list[int]", SMOKE["seeds"]))


def test_shares_of_the_training_set(out, tmp_path):
    made = plan(out, tmp_path, arms={"all": {}, "half": {"dataset.train.first_n": "50 %"}}, seeds=[0])
    sizes = [{split: block["first_n"] for split, block in run.config["dataset"].items()} for run in made.runs]
    assert sizes == [{"train": 40, "val": 10}, {"train": 20, "val": 10}]


def test_first_n_of_the_other_splits(out, tmp_path):
    limits = {"dataset.val": {"first_n": 4}, "dataset.test": {"first_n": "30 %"}}
    run = plan(out, tmp_path, common={**SMALL, **limits}).runs[0]
    assert (run.config["dataset"]["val"]["first_n"], run.test["first_n"]) == (4, 3)


def test_limits_of_data_and_budget(out, tmp_path):
    folder = plan(out, tmp_path).runs[0].test["src"].removesuffix("/test")
    made = plan(
        out, tmp_path, data={"d": {"path": folder, "train": 30, "val": 5}}, budget={"epochs": 1, "train": 12, "test": 3}
    )
    blocks = made.runs[0].config["dataset"]
    assert (blocks["train"]["first_n"], blocks["val"]["first_n"], made.runs[0].test["first_n"]) == (12, 5, 3)


def test_an_arm_with_a_base_of_its_own(out, tmp_path):
    made = plan(out, tmp_path, arms={**ARMS, "dc": {"base": str(CONFIGS / "md17" / "schnet-dc.yml")}})
    dc = next(run for run in made.runs if run.arm == "dc")
    assert dc.config["model"]["dc"]["elsewhere"] == "mish"


def test_scale_factors_are_fitted_where_there_are_some(out, tmp_path):
    assert not plan(out, tmp_path).runs[0].fits_scales
    made = plan(out, tmp_path, base=str(CONFIGS / "md17" / "gemnet_t-stock.yml"), common={}, seeds=[0])
    assert all(run.fits_scales for run in made.runs)


DIMENETPLUSPLUS = {"base": str(CONFIGS / "md17" / "dimenetplusplus-stock.yml"), "common": {}, "seeds": [0]}


def test_equal_terms(out, tmp_path):
    with pytest.raises(
        UserError, match=r"forces are derived in different ways .not -dE/dx stock: original; -dE/dx exact"
    ):
        plan(out, tmp_path, **DIMENETPLUSPLUS)
    assert len(plan(out, tmp_path, **DIMENETPLUSPLUS, may_differ=["gradients"]).runs) == 2
    exact = {**DIMENETPLUSPLUS, "common": {"model.dc.angle_gradients": "exact"}}
    assert len(plan(out, tmp_path, **exact).runs) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms": {"a": {}, "b": {"model.dc.region": "none"}}}, "'a' and 'b' are the same run"),
        (
            {"arms": {"a": {"model.dc": {"activation": "irelu"}}, "b": {"model.dc": {"region": "paper"}}}},
            "the same run",
        ),
        ({"arms": {"a": {"model.dc.regoin": "full"}}}, "arm 'a', model 'schnet-stock': .*Did you mean 'region'"),
        ({"arms": {"a": {"model.dc.region": ["^none$"]}}}, "matches no activation"),
        ({"arms": {"a": {"modle.dc": 1}}}, "unknown key 'modle'"),
        (
            {"arms": {"a": {"model": {"dc": {"region": "full"}}}}},
            "the arm replaces the whole block model; dotted keys change what is in it",
        ),
        ({"arms": {"a": {}, "b": {"optim.lr": 1}}}, "arm 'b'.*optim: unknown key 'lr'"),
        ({"common": {**SMALL, "optim.patience_of_mine": 1}}, "optim: unknown key 'patience_of_mine'"),
        ({"smoke": {"foo": 1}}, "smoke: unknown key 'foo'"),
        ({"arms": {"a": {"optim.lr_initial": "big"}}}, "optim.lr_initial: got 'big'"),
        ({"arms": {"a": {"dataset.train.first_n": "many"}}}, "first_n of the training set: got 'many'"),
        ({"common": {**SMALL, "dataset.train.first_n": 0}, "budget": {"steps": 5}}, "first_n.*got 0"),
        ({"common": {**SMALL, "optim.batch_size": 0}, "budget": {"steps": 5}}, "optim.batch_size: got 0"),
        ({"common": {**SMALL, "optim.batch_size": "10"}}, "optim.batch_size: got '10'"),
        ({"base": "nowhere.yml"}, "no such file"),
        ({"data": {"d": {"path": "nowhere"}}}, "has no train and no val and no test"),
        ({"data": {"d": {"path": "x", "sample": "slabs"}}}, "both sample and path"),
        ({"data": {"d": {}}}, "no such file"),
        ({"budget": None}, "budget is missing"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_trains(out, tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        plan(out, tmp_path, **changes)
    assert not (out / "runs").exists()


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (Choices(models=["schent"]), "unknown model in --models 'schent'"),
        (Choices(arms=["neither"]), "unknown arm in --arms 'neither'"),
        (Choices(data=["smaple"]), "--data smaple: neither a data set of the study"),
        (Choices(data=["sample", "sample=other"]), "--data sample=other: the second data set named 'sample'"),
        (Choices(seeds=[-1]), "--seeds"),
        (Choices(budget="soon"), "--budget"),
    ],
)
def test_bad_choices(out, tmp_path, choices, words):
    with pytest.raises(UserError, match=words):
        plan(out, tmp_path, choices)


SHIPPED = [p for p in sorted((CONFIGS / "studies").glob("[a-z]*.yml")) if read_study(p).options.engine == "fairchem"]


@pytest.mark.slow
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_studies_that_ship_hold(out, path):
    made = make_plan(read_study(path), out, Choices("smoke"))
    assert {run.arm for run in made.runs} <= {arm.name for arm in made.study.arms}
    assert all(run.config["optim"]["max_epochs"] == SMOKE["epochs"] for run in made.runs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [p for p in SHIPPED if "oc20" in read_study(p).options.data], ids=lambda path: path.stem
)
def test_the_studies_that_ship_hold_on_catalysts(out, slabs, path):
    """With slabs in the place of OC20's folders, which have the same layout."""
    study = read_study(path)
    small = [model for model in study.models if model in ("schnet", "cgcnn", "forcenet")]  # quick to build
    choices = Choices("1 epochs", data=[f"oc20={slabs}", "slabs"], models=small, seeds=[0])
    configs = {run.data: run.config for run in make_plan(study, out, choices).runs}
    assert configs["oc20"]["model"]["cutoff"] == 6.0
    assert all(config["model"]["use_pbc"] for config in configs.values())
    sizes = [configs[name]["optim"]["batch_size"] for name in ("oc20", "slabs")]
    assert sizes[0] != sizes[1]


@pytest.mark.parametrize("file", ["config.yml", "run.json"])
def test_what_runs_is_the_study_whoever_made_the_folder(out, tmp_path, caplog, file):
    """A downloaded folder has the right identifiers, and a config in it could name any code."""
    made = plan(out, tmp_path)
    folders = {run.id: RunFolder(tmp_path / "out" / "runs" / run.id) for run in made.runs}
    _write_study(made, tmp_path / "out", folders, "a command")
    first, done = (folders[run.id] for run in made.runs[:2])
    description = first.description()
    config = {**made.runs[0].config, "model": {"name": "subprocess.Popen", "args": "true"}}
    for folder in (first, done):
        if file == "config.yml":
            (folder.path / file).write_text(json.dumps(config))
        else:
            folder.write({**folder.description(), "engine": "pinn"}, folder.config())
    done.finish({"status": "done", "message": "", "test": {}})
    before = (done.path / file).read_text()
    _write_study(made, tmp_path / "out", folders, "a command")
    assert first.config() == made.runs[0].config
    assert first.description() == description
    assert [record.message.split(":")[0] for record in caplog.records] == [str(first.path)]
    assert (done.path / file).read_text() == before  # what has run is a record
    caplog.clear()
    _write_study(made, tmp_path / "out", folders, "a command")
    assert not caplog.records


def test_a_file_of_structures_is_split(out, tmp_path):
    path = molecules(tmp_path / "mine.xyz", 20)
    keys = {"energy_key": "REF_energy", "forces_key": "REF_forces"}
    made = plan(out, tmp_path, data={"mine": {"path": str(path), "val": 3, **keys}})
    (folder,) = (out / "data").glob("mine-*")
    assert [read_json(folder / "dataset.json", "")["counts"][name] for name in ("train", "val", "test")] == [15, 3, 2]
    dataset = made.runs[0].config["dataset"]
    assert dataset["train"]["src"] == str(folder / "train")
    assert made.runs[0].test == {"src": str(folder / "test"), "first_n": 2}
    assert {run.id for run in made.runs} == {
        run.id for run in plan(out, tmp_path, data={"mine": {"path": str(path), "val": 3, **keys}}).runs
    }
    with pytest.raises(UserError, match="there is no path"):
        plan(out, tmp_path, data={"mine": {"sample": "ethanol", **keys}})
    with pytest.raises(UserError, match="is prepared"):
        plan(out, tmp_path, data={"mine": {"path": str(folder), **keys}})


def test_files_in_the_base(out, tmp_path, monkeypatch):
    monkeypatch.setenv("OCP_DC_CACHE", str(tmp_path / "cache"))
    path = molecules(tmp_path / "mine.xyz", 6)
    base = {
        "includes": [str(CONFIGS / "md17" / "schnet-stock.yml")],
        "dataset": {
            "train": {"src": str(path), "energy_key": "REF_energy", "forces_key": "REF_forces"},
            **{split: {"src": str(path)} for split in ("val", "test")},
        },
    }
    (tmp_path / "base.yml").write_text(yaml.safe_dump(base))
    made = plan(out, tmp_path, base=str(tmp_path / "base.yml"), data={"own": {}})
    train = made.runs[0].config["dataset"]["train"]
    assert (Path(train["src"]) / "data.lmdb").is_file()
    assert "energy_key" not in train
    assert made.runs[0].test == {"src": train["src"], "first_n": 6}


def test_warnings_about_averages(out, tmp_path):
    """0.9 ** 12 of the first weights remain after 3 epochs of 4 steps; with 10 epochs of 8 steps 0.9 ** 80."""
    arms = {"short": {"optim.ema_decay": 0.9}, "also short": {"optim.ema_decay": 0.9, "optim.lr_initial": 1.0e-4}}
    arms |= {"none": {}, "long": {"optim.ema_decay": 0.1}}
    made = plan(out, tmp_path, arms=arms, baseline="none", common={**SMALL, "optim.batch_size": 10})
    [text] = run_warnings(made.engine, made.runs)
    where = "schnet-stock on sample, arms short, also short"
    assert text.startswith(f"{where}: ema_decay: 0.9 over 12 steps leaves 28 % of")
    longer = {"budget": {"epochs": 10}, "common": {**SMALL, "optim.batch_size": 5}}
    made = plan(out, tmp_path, arms=arms, baseline="none", **longer)
    assert run_warnings(made.engine, made.runs) == []


def test_warnings_are_printed_and_kept(tmp_path, capsys):
    study = write_study(tmp_path, common={**SMALL, "optim.ema_decay": 0.9}, seeds=[0])
    arguments = ["study", "run", str(study), "--out", str(tmp_path / "out"), "--cpu"]
    assert main([*arguments, "--dry-run"]) == 0
    expected = "schnet-stock on sample, arms original, irelu: ema_decay: 0.9 over 6 steps leaves 53 % of"
    assert f"warning: {expected}" in capsys.readouterr().out
    made = make_plan(read_study(study), tmp_path / "out", Choices())
    folders = {run.id: RunFolder(tmp_path / "out" / "runs" / run.id) for run in made.runs}
    _write_study(made, tmp_path / "out", folders, "again")
    [kept] = read_results(tmp_path / "out").warnings
    assert kept.startswith(expected)
