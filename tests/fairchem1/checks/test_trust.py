"""A checkpoint's config names code: nothing but fairchem's and ours runs, and nothing of others is even imported."""

from __future__ import annotations

import copy
import importlib
import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from ase.build import molecule
from fairchem.core.common.relaxation.ase_utils import OCPCalculator
from fairchem.core.common.utils import load_model_and_weights_from_checkpoint

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.fairchem1.checks import trust
from ocp_dc.fairchem1.host_patches.safe_loading import config_for_prediction

from tests.helpers.runs import HYDRA, MODEL, run_main

CONFIG: dict[str, Any] = {
    "trainer": "ocp",
    "logger": "tensorboard",
    "model": {"name": "hydra", "backbone": {"model": "esen_backbone"}, "heads": {"e": {"module": "esen_mlp_efs_head"}}},
    "dataset": {"format": "lmdb", "transforms": {"normalizer": {}}},
    "val_dataset": {"splits": {"val": {"format": "ase_db", "transforms": {"label_rescaling": {}}}}},
    "task": {"dataset": "trajectory_lmdb"},
    "loss_functions": [{"energy": {"fn": "mae", "coefficient": 1}}],
    "evaluation_metrics": {"metrics": {"forces": ["mae", "cosine_similarity"]}},
    "optim": {"optimizer": "AdamW", "scheduler": "LambdaLR", "loss_energy": "mae"},
}
PLACES = [
    ("trainer",),
    ("logger",),
    ("model",),
    ("model", "name"),
    ("model", "backbone", "model"),
    ("model", "heads", "e", "module"),
    ("dataset", "format"),
    ("val_dataset", "splits", "val", "format"),
    ("task", "dataset"),
    ("loss_functions", 0, "energy", "fn"),
    ("optim", "loss_energy"),
    ("optim", "optimizer"),
    ("optim", "scheduler"),
    ("evaluation_metrics", "metrics", "forces"),
    ("dataset", "transforms"),
    ("val_dataset", "splits", "val", "transforms"),
]


def hostile_config(place: tuple, name: Any) -> dict[str, Any]:
    """The config with a name in one place; in a list or as a key where names are gathered so."""
    config = copy.deepcopy(CONFIG)
    *above, last = place
    block: Any = config
    for key in above:
        block = block[key]
    block[last] = {"transforms": {name: {}}, "forces": [name]}.get(last, name)
    return config


def test_what_fairchem_itself_writes_is_allowed():
    trust.check_config(CONFIG, "here")


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
@pytest.mark.parametrize(
    "name",
    [
        "subprocess.Popen",
        "os.system",
        "hostile_module.Head",
        "__import__('os').system",
        "fairchem.core.common.utils.subprocess",  # not where it was written
        "fairchem.core.common.registry.importlib.import_module",
        "ocp_dc.demo.demo",
        "ocp_dc.__main__.main",
        "torch.nn.Linear",
        "ocp_dc.cli.main",
    ],
)
def test_names_of_others_are_refused(place, name, tmp_path, monkeypatch):
    (tmp_path / "hostile_module.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    imported = set(sys.modules)
    with pytest.raises(UnsafeDataError, match="here: its config names"):
        trust.check_config(hostile_config(place, name), "here")
    assert not (tmp_path / "ran").exists()
    assert not {"hostile_module", "ocp_dc.__main__"} & (set(sys.modules) - imported)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (("trainer",), "ocp_dc.fairchem1.wrappers.schnet.DCSchNet"),  # a class, but of another kind
        (("model", "name"), "ocp_dc.fairchem1.trainer.DCTrainer"),
        (("model", "name"), 3),
        (("dataset", "format"), "ocp_dc.fairchem1.trainer.DCTrainer"),
        (("evaluation_metrics", "metrics", "forces"), "exit"),
        (("evaluation_metrics", "metrics", "forces"), "breakpoint"),
        (("dataset", "transforms"), "suppress"),
        (("dataset", "transforms"), "ｅｖａｌ"),  # which Python reads as eval
        (("evaluation_metrics", "metrics", "forces"), "ｅｘｅｃ"),
        (("optim", "optimizer"), "Optimizer.step"),
        (("optim", "scheduler"), "warnings"),
    ],
)
def test_names_of_another_kind_are_refused(place, name):
    with pytest.raises(UnsafeDataError):
        trust.check_config(hostile_config(place, name), "here")


@pytest.mark.parametrize(
    "block",
    [
        {"dataset": {"transforms": ["__import__('os').system('true')"]}},
        {"dataset": [{"src": "x"}, {"transforms": {"exec('1')": 1}}]},
        {"dataset": {"train": {"transforms": {"print": 1}}}},
        {"evaluation_metrics": {"metrics": {"energy": {"exit()": 1}}}},
        {"eval_metrics": {"metrics": {"energy": ["exit()"]}}},
        {"loss_fns": [{"energy": {"fn": "os.getcwd"}}]},
        {"model_attributes": {"backbone": {"model": "os.getcwd"}}},
        {"model": {"name": "hydra", "backbone": {"model": "hydra", "backbone": {"model": "os.getcwd"}}}},
        {"model": {"name": "hydra", "backbone": {"model": "hydra", "heads": {"e": {"module": "os.getcwd"}}}}},
        {"model": {"name": "hydra", "heads": {"e": {"module": "hydra", "backbone": {"model": "os.getcwd"}}}}},
    ],
)
def test_other_layouts_hide_nothing(block):
    with pytest.raises(UnsafeDataError):
        trust.check_config({"model": "hydra", **block}, "here")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("model", "dc_schnet"),
        ("model", "ocp_dc.fairchem1.wrappers.schnet.DCSchNet"),
        ("model", "fairchem.core.models.schnet.SchNetWrap"),
        ("trainer", "ocp_dc.fairchem1.trainer.DCTrainer"),
        ("trainer", "fairchem.core.trainers.OCPTrainer"),
        ("data set", "lmdb_in_memory"),
        ("logger", "fairchem.core.common.logger.TensorboardLogger"),
        ("scheduler", "Null"),
        ("scheduler", "ReduceLROnPlateau"),
        ("trainer", "a_name_of_2021"),  # finds nothing, so that it can run nothing
        ("metric", "a_metric_of_2021"),
    ],
)
def test_names_of_the_libraries_are_allowed(kind, name):
    assert trust.is_allowed(kind, name)


def test_trusted_modules():
    with trust.trusting(["mine.models"]):
        assert trust.is_allowed("model", "mine.models.Net")
        assert trust.is_allowed("model", "mine.models.deep.Net")
        assert not trust.is_allowed("model", "mine.Net")
        assert not trust.is_allowed("model", "mine.models2.Net")
        with trust.trusting(["os"]):
            assert trust.is_allowed("model", "mine.models.Net")
    assert not trust.is_allowed("model", "mine.models.Net")
    with pytest.raises(UserError, match="expected a list"), trust.trusting("os"):
        pass
    with pytest.raises(UserError, match="dotted name"), trust.trusting(["os; import sys"]):
        pass


@pytest.fixture
def own_module(tmp_path, monkeypatch, trained) -> Iterator[tuple[Path, Path]]:
    """A checkpoint whose model lies in a module of the user's, which leaves a file when it is imported."""
    source = (
        "from pathlib import Path\nfrom ocp_dc.fairchem1.wrappers.schnet import DCSchNet\n"
        "Path(__file__).with_name('ran').touch()\nclass Net(DCSchNet):\n    stock_class = DCSchNet.stock_class\n"
    )
    (tmp_path / "own_models.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint = trained.load("best_checkpoint.pt")
    checkpoint["config"]["model"]["name"] = "own_models.Net"
    torch.save(checkpoint, tmp_path / "own.pt")
    yield tmp_path / "own.pt", tmp_path / "ran"
    sys.modules.pop("own_models", None)


def test_a_users_own_model(own_module, ethanol, small_config, tmp_path, capsys):
    """Refused without a word of trust, at each door, and used with it; the user's own config needs none."""
    path, ran = own_module
    evaluation = ["evaluate", str(path), str(ethanol / "test"), "--cpu", "--out"]
    for use in (lambda: ocp_dc.calculator(path, cpu=True), lambda: OCPCalculator(checkpoint_path=path, cpu=True)):
        with pytest.raises(UnsafeDataError, match=r"model\.name.*--trust-module own_models"):
            use()
    assert main([*evaluation, str(tmp_path / "e")]) == 2
    arguments = ("--checkpoint", str(path))
    block = {"dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}}
    assert run_main(tmp_path, small_config(model=block), *arguments, mode="predict").status == 2
    assert "--trust-module own_models" in capsys.readouterr().err
    assert not ran.exists()
    assert main([*evaluation, str(tmp_path / "e"), "--trust-module", "own_models"]) == 0
    assert ran.exists()
    atoms = molecule("CH3CH2OH")
    atoms.calc = ocp_dc.calculator(path, cpu=True, trust_modules=["own_models"])
    energy = atoms.get_potential_energy()
    with trust.trusting(["own_models"]):
        assert OCPCalculator(checkpoint_path=path, cpu=True).config["model"]["name"] == "own_models.Net"
    assert abs(energy) > 0
    trusted = ("--trust-module", "own_models")
    assert run_main(tmp_path, small_config(model=block), *arguments, *trusted, mode="predict").status == 0
    mine = small_config(model={**block, "name": "own_models.Net"})
    assert run_main(tmp_path, mine, *arguments, mode="predict").status == 0


def test_a_mapping_that_hides_what_is_in_it(tmp_path, trained):
    """Torch sets attributes of an OrderedDict that a file gives, which stand before its methods."""
    checkpoint = trained.load("best_checkpoint.pt")
    model = OrderedDict(name="hydra", backbone={"model": "subprocess.Popen", "args": ["true"]}, heads={})
    checkpoint["config"]["model"] = model
    for name, value in (("get", OrderedDict), ("items", set), ("harmless", 1)):
        model.__dict__.clear()
        model.__dict__[name] = value
        torch.save(checkpoint, tmp_path / "x.pt")
        with pytest.raises(UnsafeDataError, match=f"attribute '{name}'"):
            ocp_dc.calculator(tmp_path / "x.pt", cpu=True)


@pytest.mark.parametrize("name", ["detach", "is_floating_point"])
def test_a_tensor_that_hides_its_numbers(tmp_path, trained, name):
    """Parameters keep attributes that were set on them, which stand before the methods of tensors."""
    checkpoint = trained.load("best_checkpoint.pt")
    weight: Any = torch.nn.Parameter(checkpoint["state_dict"]["lin1.weight"])
    weight.note = "harmless"
    checkpoint["state_dict"]["lin1.weight"] = weight
    torch.save(checkpoint, tmp_path / "x.pt")
    assert ocp_dc.calculator(tmp_path / "x.pt", cpu=True)
    setattr(weight, name, OrderedDict)
    torch.save(checkpoint, tmp_path / "x.pt")
    with pytest.raises(UnsafeDataError, match=f"attribute '{name}'"):
        ocp_dc.calculator(tmp_path / "x.pt", cpu=True)


def test_a_config_that_is_no_tree(tmp_path, trained):
    """Lists that share their parts, or hold themselves, take forever or no end to go through."""
    bomb: list = []
    for _ in range(60):
        bomb = [bomb, bomb]
    circle: list = []
    circle.append(circle)
    for data in ({"train": bomb}, circle, {"splits": {"a": circle}}):
        checkpoint = trained.load("best_checkpoint.pt")
        checkpoint["config"]["dataset"] = data
        torch.save(checkpoint, tmp_path / "x.pt")
        with pytest.raises(UserError, match="levels or"):
            ocp_dc.calculator(tmp_path / "x.pt", cpu=True)


def test_a_hydra_that_starts_from_a_hostile_checkpoint(tmp_path):
    """The checkpoint in ``finetune_config`` is read by the same rules, and so is the one that it names."""
    inner = {"config": {"model": {**HYDRA, "heads": {"e": {"module": "subprocess.Popen", "args": "true"}}}}}
    torch.save({"state_dict": {}, **inner}, tmp_path / "inner.pt")
    outer = {"name": "hydra", "finetune_config": {"starting_checkpoint": str(tmp_path / "inner.pt")}}
    torch.save({"state_dict": {}, "config": {"model": outer}}, tmp_path / "outer.pt")
    for name in ("inner.pt", "outer.pt"):
        with pytest.raises(UnsafeDataError, match=r"inner\.pt: its config names 'subprocess\.Popen'"):
            load_model_and_weights_from_checkpoint(str(tmp_path / name))
    outer["finetune_config"]["starting_checkpoint"] = str(tmp_path / "outer.pt")
    torch.save({"state_dict": {}, "config": {"model": outer}}, tmp_path / "outer.pt")
    with pytest.raises(UserError, match="starts from itself"):
        load_model_and_weights_from_checkpoint(str(tmp_path / "outer.pt"))


def test_a_hydra_that_starts_from_a_good_one(tmp_path):
    base = importlib.import_module("fairchem.core.models.base")
    assert base.load_model_and_weights_from_checkpoint is load_model_and_weights_from_checkpoint
    from ocp_dc.fairchem1.infer.inspect_model import build_model

    model = build_model(dict(MODEL))
    torch.save({"state_dict": model.state_dict(), "config": {"model": dict(MODEL)}}, tmp_path / "start.pt")
    again = load_model_and_weights_from_checkpoint(str(tmp_path / "start.pt"))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


def test_a_calculator_writes_nothing_and_reads_no_pickled_job(tmp_path, monkeypatch, trained):
    """is_debug: false makes folders and a logger, a slurm block unpickles a submission, and one key exits."""
    checkpoint = trained.load("best_checkpoint.pt")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    submitted = jobs / "7_submitted.pkl"
    submitted.write_bytes(pickle.dumps(_Touch(tmp_path / "ran")))
    checkpoint["config"] |= {"is_debug": False, "slurm": {"folder": str(jobs)}}
    checkpoint["config"]["optim"]["load_datasets_and_model_then_exit"] = True
    torch.save(checkpoint, tmp_path / "x.pt")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    ours: Any = ocp_dc.calculator("x.pt", cpu=True)
    for calculator in (OCPCalculator(checkpoint_path=tmp_path / "x.pt", cpu=True), ours.predictor):
        assert calculator.trainer.is_debug
    assert set(tmp_path.iterdir()) == before
    assert config_for_prediction({"slurm": {}, "optim": {"a": 1}, "model": 2}) == {"optim": {"a": 1}, "model": 2}


class _Touch:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))
