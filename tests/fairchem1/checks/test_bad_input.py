"""A user's mistakes: each gives one clear message and a status, and no traceback."""

from __future__ import annotations

import pickle
import re
import shutil
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch
import yaml

from ocp_dc.cli import main
from ocp_dc.fairchem1 import main as fairchem_main

from tests.helpers.runs import run_main


def set_in(config, path, value):
    *parents, last = path.split(".")
    for key in parents:
        config = config.setdefault(key, {})
    config[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("model.name", "dc_schnett", r"unknown model 'dc_schnett'.*Did you mean 'dc_schnet'"),
        ("model.hidden_chanels", 8, r"unknown key 'hidden_chanels'.*Did you mean 'hidden_channels'"),
        ("model.dc", {"activation": "irelo"}, r"unknown activation 'irelo'.*Did you mean 'irelu'"),
        ("model.dc", {"activation": "irelu", "region": "outptu"}, r"unknown region 'outptu'.*Did you mean 'output'"),
        ("model.dc", {"activation": "irelu", "region": ["decoder"]}, r"'decoder' matches no activation"),
        ("model.dc", {"activation": "irelu", "region": ["(", "act"]}, r"not a valid regular expression"),
        ("model.dc", {"activation": {"name": "irelu", "coefficient": -1}}, r"coefficient"),
        ("model.dc", {"denormalise": "all"}, r"unknown key 'denormalise'.*Did you mean 'denormalize'"),
        ("optim.batchsize", 4, r"unknown key 'batchsize'.*Did you mean 'batch_size'"),
        ("optim.lr_initial", "1e-3", r"write 1\.0e-3"),
        ("optim.scheduler", "OneCycle", r"unknown optim\.scheduler 'OneCycle'.*Did you mean 'OneCycleLR'"),
        ("optim.optimizer", "Addam", r"Did you mean 'Adam'"),
        ("optimm", {}, r"unknown key 'optimm'.*Did you mean 'optim'"),
        ("trainer", "dcc", r"unknown trainer 'dcc'"),
        ("trainer", "ocp", r"cannot convert predictions back"),
        ("dataset.train.transforms.label_rescaling.scale", 0, r"scale.*above zero"),
        ("dataset.train.transforms.label_rescaling.scale", -2.0, r"scale.*above zero"),
        ("dataset.train.transforms.label_rescaling.scale", "3 cal", r"unknown energy unit 'cal'.*'kcal/mol'"),
        ("dataset.train.transforms.label_rescaling.center", "means", r"Did you mean 'mean'"),
        ("dataset.train.transforms.label_rescalin", {}, r"Did you mean 'label_rescaling'"),
        ("dataset.train.transforms.normalizer", {"energy": {"mean": 0.0, "stdev": 2.0}}, r"scaled twice"),
        ("dataset.train.transforms.element_references", {"fit": {"targets": ["energy"]}}, r"scaled twice"),
        ("dataset.train.formatt", "x", r"unknown key 'formatt'.*Did you mean 'format'"),
        ("dataset.train.src", "/no/such/folder", r"no such file or folder"),
        ("dataset.train.first_n", 10**6, r"Cannot take 1000000 data points.*val and test inherit these keys"),
        ("loss_functions", [{"energi": {"fn": "mae", "coefficient": 1}}], r"Did you mean 'energy'"),
        ("loss_functions", [{"energy": {"fn": "maee", "coefficient": 1}}], r"unknown loss function.*'maee'"),
        ("evaluation_metrics", {"metrics": {"energy": ["maee"]}}, r"unknown metric"),
        ("evaluation_metrics", {"metrics": {"energy": ["mae"]}, "primary_metric": "forces_mae"}, r"'energy_mae'|loss"),
        (
            "evaluation_metrics",
            {"metrics": None, "primary_metric": "forces_mse"},
            r"expected one of .*forces_mae, loss",
        ),
        ("optim.load_balancing", "neighbors", r"optim\.load_balancing: got neighbors.*write atoms"),
        ("optim.eval_every", 0, r"expected a whole number, at least 1"),
        ("optim.checkpoint_every", 0, r"checkpoint_every"),
        ("optim.eval_every", None, r"eval_every"),
    ],
)
def test_in_the_config(tmp_path, small_config, capsys, path, value, message):
    config = small_config()
    config["dataset"] = {name: dict(block) for name, block in config["dataset"].items()}
    set_in(config, path, value)
    run = run_main(tmp_path, config)
    error = capsys.readouterr().err
    assert run.status == 2
    assert error.startswith("error: ")
    assert re.search(message, error, flags=16), error
    assert not run.checkpoint().exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mode", "predict", "--config-yml", "CONFIG"], "needs --checkpoint"),
        (["--mode", "train", "--config-yml", "no.yml"], "no such file"),
        (["--mode", "predict", "--config-yml", "CONFIG", "--checkpoint", "no.pt"], "no such file"),
        (["--mode", "run-relaxations", "--config-yml", "CONFIG", "--checkpoint", "CONFIG"], "dataset.relax.src"),
        (["--config-yml", "CONFIG"], "--mode is missing"),
        (["--mode", "train", "--config-yml", "CONFIG", "optim.max_epochs=3"], "expected an override"),
        (["--mode", "train", "--config-yml", "CONFIG", "--optim.max_epohcs=3"], "max_epochs"),
    ],
)
def test_on_the_command_line(tmp_path, small_config, capsys, arguments, message):
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(small_config()))
    assert main(["main", *(str(path) if word == "CONFIG" else word for word in arguments)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("word", "value"), [("false", False), ("yes", True), ("null", None), ("none", "none")])
def test_words_of_yaml_on_the_command_line(tmp_path, small_config, word, value):
    """Fairchem alone makes the text 'false' of the first, which is true."""
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(small_config()))
    arguments = fairchem_main.parse(["--mode", "train", "--config-yml", str(path), f"--slurm.requeue={word}"])
    assert fairchem_main.resolve(*arguments)["slurm"]["requeue"] == value


@pytest.mark.parametrize("text", ["", "- a list", "a: 1\na: 2\n", "a: [1\n", "includes: [none.yml]\n", "\x00"])
def test_in_the_yaml(tmp_path, capsys, text):
    path = tmp_path / "config.yml"
    path.write_text(text)
    assert main(["main", "--mode", "train", "--config-yml", str(path), "--cpu"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: ")
    assert "NoneType" not in error


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def damage(folder: Path, how: str, target: Path) -> None:
    """Turn a good LMDB folder into a bad one."""
    path = folder / "data.lmdb"
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:20000])
    elif how == "text":
        path.write_text("not an LMDB\n" * 1000)
    elif how == "metadata":
        np.savez(folder / "metadata.npz", natoms=np.array([Hostile(target)], dtype=object))
    else:
        key = {"record": b"0", "length": b"length"}[how]
        env = lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 24)
        with env.begin(write=True) as transaction:
            transaction.put(key, pickle.dumps(Hostile(target)))
        env.close()


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "text", "record", "length", "metadata"])
def test_in_an_lmdb(tmp_path, small_config, ethanol, capsys, how):
    target, folder = tmp_path / "made", tmp_path / "train"
    shutil.copytree(ethanol / "train", folder)
    damage(folder, how, target)
    config = small_config()
    config["dataset"] = {**config["dataset"], "train": {**config["dataset"]["train"], "src": str(folder)}}
    run = run_main(tmp_path, config)
    error = capsys.readouterr().err
    assert run.status == 2, error
    assert "error: " in error
    assert "Traceback" not in error
    assert not target.exists()


def test_a_checkpoint_of_another_model(tmp_path, small_config, trained, capsys):
    checkpoint = str(trained.checkpoint("best_checkpoint.pt"))
    wider = small_config(model={"hidden_channels": 32})
    assert run_main(tmp_path, wider, "--checkpoint", checkpoint, mode="predict").status == 2
    assert "belongs to another model" in capsys.readouterr().err
    # the parameters fit, and yet it is another function
    other = small_config(model={"dc": {"activation": "irelu", "region": "full"}})
    assert run_main(tmp_path, other, "--checkpoint", checkpoint, mode="predict").status == 2
    assert "model.dc" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["hostile", "text", "no checkpoint"])
def test_a_bad_checkpoint(tmp_path, small_config, ethanol, capsys, content):
    target, path = tmp_path / "made", tmp_path / "checkpoint.pt"
    if content == "hostile":
        torch.save({"state_dict": {}, "config": Hostile(target)}, path)
    elif content == "text":
        path.write_text("no checkpoint")
    else:
        torch.save({"weights": torch.zeros(3)}, path)
    assert run_main(tmp_path, small_config(), "--checkpoint", str(path), mode="predict").status == 2
    assert "checkpoint.pt" in capsys.readouterr().err
    assert main(["evaluate", str(path), str(ethanol / "test"), "--out", str(tmp_path / "e")]) == 2
    assert not target.exists()
    assert not (tmp_path / "e").exists()


def test_nothing_is_overwritten(tmp_path, trained, ethanol, capsys):
    arguments = [str(trained.checkpoint("best_checkpoint.pt")), str(ethanol / "test"), "--out", str(tmp_path), "--cpu"]
    (tmp_path / "evaluation.json").write_text("mine")
    assert main(["evaluate", *arguments]) == 2
    assert (tmp_path / "evaluation.json").read_text() == "mine"
    source = "no.npz"
    counts = ["--train", "1", "--val", "1", "--test", "1"]
    assert main(["prepare", source, str(tmp_path), "--format", "md17", "--units", "eV", *counts]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["demo", "--out", str(tmp_path)]) == 2


def test_inspect_names_mistakes(tmp_path, capsys):
    assert main(["inspect", str(tmp_path / "none.yml")]) == 2
    assert "no such file" in capsys.readouterr().err
