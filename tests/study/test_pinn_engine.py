"""Studies of the physics-informed tasks: planned, run, killed and gone on with, reported."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from ocp_dc import pinn
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.pinn.data import make_data
from ocp_dc.pinn.deepxde.setup import set_up
from ocp_dc.pinn.folder import read_losses, read_test
from ocp_dc.pinn.options import PinnOptions
from ocp_dc.study.engines.pinn_tasks import PinnTasks
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.plan import Choices, Plan, make_plan
from ocp_dc.study.results import read_results
from ocp_dc.study.spec import read_study
from ocp_dc.study.worker import work

from tests.helpers.small_study import CONFIGS

BOTH = ["advection", "diffusion_sorption"]
SMALL = {
    "data.size": 16,
    "data.times": 21,
    "network": {"hidden_layers": 2, "width": 8},
    "sampling": {"domain": 50, "boundary": 20, "initial": 20},
    "report_every": 4,
    "checkpoint_every": 4,
}
OF_TASK = {"advection": {"L_f", "L_IC", "L_BC"}, "diffusion_sorption": {"L_f", "L_IC", "L_BCl", "L_BCr", "L_data"}}


def write_study(folder: Path, **changes) -> Path:
    study = {
        "title": "A constant in small networks",
        "engine": "pinn",
        "base": str(CONFIGS / "pinn" / "{model}.yml"),
        "models": ["advection"],
        "common": SMALL,
        "arms": {"none": {}, "ten": {"label_rescaling.scale": 10}},
        "seeds": [3],  # with which the ReLU that ends diffusion-sorption lets gradients pass
        "budget": {"steps": 12},
    }
    path = folder / "study.yml"
    path.write_text(yaml.safe_dump({**study, **changes}, sort_keys=False))
    return path


def plan(tmp_path: Path, choices: Choices | None = None, **changes) -> Plan:
    return make_plan(read_study(write_study(tmp_path, **changes)), tmp_path / "out", choices or Choices())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pinn")
    made = plan(folder, models=BOTH)
    command = ["study", "run", str(write_study(folder, models=BOTH)), "--out", str(folder / "out"), "--cpu"]
    for run in made.runs:  # in this process: starting others takes longer than these trainings
        run_folder = RunFolder(folder / "out" / "runs" / run.id)
        keys = ("id", "model", "data", "arm", "seed", "test", "fits_scales")
        run_folder.write({"engine": "pinn", **{key: getattr(run, key) for key in keys}}, run.config)
        work(run_folder.path, cpu=True)
    assert main(command) == 0
    return folder / "out"


def test_every_loss_term_is_reported_by_name(finished):
    results = read_results(finished)
    for record in results.records:
        assert record.status == "done"
        assert (
            set(record.metrics)
            == {"nRMSE", "RMSE", "MSE", "train_loss", "seconds_per_iteration"} | OF_TASK[record.model]
        )
        assert record.curves["iteration"].tolist() == [0, 4, 8, 12]
        errors = read_test(record.folder / "results" / "train")
        assert {key: record.metrics[key] for key in errors["overall"]} == errors["overall"]
    assert [q.key for q in results.quantities if q.primary] == ["nRMSE"]
    report = (finished / "report.md").read_text()
    others = report[report.index("## Other errors") :]
    advection = others[: others.index("### diffusion")]
    assert "BC |" in advection
    assert "BCl" not in advection
    header = (finished / "table.csv").read_text().splitlines()[0]
    assert "L_BCl_mean" in header
    assert "L_fd_mean" not in header


def test_terms_are_in_the_units_of_the_data(finished):
    for record in read_results(finished).records:
        losses = read_losses(record.folder / "results" / "train")
        constant = {"none": 1, "ten": 10}[record.arm]
        for name in OF_TASK[record.model]:
            np.testing.assert_allclose(record.curves[name], constant**2 * losses[name], rtol=1e-12)
            assert record.metrics[name] == pytest.approx(record.curves[name][-1], rel=1e-5)  # no batch statistics
        assert record.metrics["train_loss"] == losses["total"][-1]


def test_arms_of_a_seed_begin_alike(finished):
    records = read_results(finished).records
    for model in BOTH:
        first, second = (record.initial_weights for record in records if record.model == model)
        assert first
        assert first == second


def test_a_killed_run_goes_on_to_the_same_errors(finished, tmp_path, monkeypatch):
    theirs = next(record for record in read_results(finished).records if record.model == "advection")
    path = tmp_path / theirs.id
    path.mkdir()
    for name in ("run.json", "config.yml"):
        shutil.copy(theirs.folder / name, path)

    def killed(*_):
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("ocp_dc.pinn.deepxde.training._test", killed)
        with pytest.raises(OSError, match="killed"):
            work(path, cpu=True)
    assert not (path / "result.json").exists()
    work(path, cpu=True)
    mine, uninterrupted = (RunFolder(each).read("result.json") or {} for each in (path, theirs.folder))
    assert mine
    assert {**mine, "files": None} == {**uninterrupted, "files": None}  # losses.csv holds times
    assert not (path / "results" / "train" / "checkpoint.pt").exists()


def test_a_run_that_diverges_is_a_result(tmp_path):
    (run,) = plan(tmp_path, arms={"huge": {"optim.lr": 1.0e30, "dc.activation": "irelu"}}).runs
    folder = RunFolder(tmp_path / "runs" / run.id)
    named = {key: getattr(run, key) for key in ("id", "model", "data", "arm", "test", "fits_scales")}
    folder.write({"engine": "pinn", "seed": 0, **named}, run.config)
    work(folder.path, cpu=True)
    result = folder.read("result.json")
    assert (result["status"], set(result)) == ("diverged", {"status", "step", "message", "files"})
    assert result["message"].startswith(f"diverged at step {result['step']}: the loss L_")


def test_budgets_are_steps(tmp_path):
    assert {run.config["optim"]["iterations"] for run in plan(tmp_path).runs} == {12}
    assert {run.config["optim"]["iterations"] for run in plan(tmp_path, Choices("smoke")).runs} == {20}
    for choices in (Choices("2 epochs"), Choices("3 minutes")):
        with pytest.raises(UserError, match="expected steps"):
            plan(tmp_path, choices)


def test_a_file_counts_by_its_content(tmp_path):
    first = make_data("advection", tmp_path / "a.hdf5", size=16, times=21)
    (tmp_path / "elsewhere").mkdir()
    second = shutil.copy(first, tmp_path / "elsewhere" / "b.hdf5")
    other = make_data("advection", tmp_path / "c.hdf5", seed=1, size=16, times=21)
    common = {key: value for key, value in SMALL.items() if not key.startswith("data.")}
    a, b, c = (plan(tmp_path, Choices(data=[f"d={path}"]), common=common).runs[0] for path in (first, second, other))
    assert a.config["data"]["path"] == str(first.absolute())
    assert a.id == b.id != c.id


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": {"d": {"sample": "ethanol"}}}, "data.d.sample: is for interatomic potentials"),
        ({"budget": {"steps": 5, "train": 3}}, "budget.train: is for interatomic potentials"),
        ({"budget": {"epochs": 5}}, "budget: got epochs, expected steps"),
        ({"data": {"d": {"path": "nowhere.hdf5"}}}, "nowhere.hdf5"),
        ({"arms": {"a": {"dc.activaton": "irelu"}}}, "Did you mean 'activation'"),
        ({"arms": {"a": {}, "b": {"dc.activation": "tanh"}}}, "the same run"),
        ({"arms": {"a": {"dc.activation": "irelu"}, "b": {"network.activation": "irelu"}}}, "the same run"),
    ],
)
def test_what_cannot_run_is_refused(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        plan(tmp_path, **changes)


@pytest.mark.parametrize("name", ["denormalization_pinn", "label_rescaling_pinn", "activation_pinn"])
def test_the_studies_that_ship_hold(tmp_path, name):
    study = read_study(CONFIGS / "studies" / f"{name}.yml")
    full = make_plan(study, tmp_path, Choices())
    assert {run.model for run in full.runs} == set(BOTH)
    assert {run.config["optim"]["iterations"] for run in full.runs} == {15000}
    assert len(full.runs) == 3 * len(BOTH) * len(study.arms)


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("path", sorted((CONFIGS / "pinn").glob("*.yml")), ids=lambda path: path.stem)
def test_the_terms_of_all_tasks_are_known(path, as_published):
    config = pinn.resolve(path, [f"--as_published={str(as_published).lower()}"], "smoke")
    names = set_up(PinnOptions.from_config(config)).losses.names
    assert set(names) <= {quantity.key for quantity in PinnTasks().quantities}
    assert set(names) <= {curve.key for curve in PinnTasks().curves}
    assert not np.isin(["nRMSE", "train_loss"], names).any()
