"""From a command line to a config: files that are none, includes, overrides, and what the machine does not have."""

from __future__ import annotations

import argparse
import logging
import os

import pytest
import torch
import yaml

from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1 import main as fairchem_main
from ocp_dc.fairchem1.checks import machine_check, unknown_keys
from ocp_dc.fairchem1.infer.inspect_model import inspect_config

from tests.helpers.runs import MODEL, run_main


@pytest.fixture
def resolve(tmp_path, small_config):
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(small_config()))
    return lambda *words: fairchem_main.resolve(
        *fairchem_main.parse(["--mode", "train", "--config-yml", str(path), *words])
    )


def test_overrides_reach_everything(resolve):
    config = resolve(
        "--model.dc.activation={name: irelu, coefficient: 0.5}",
        "--model.dc.region=[^act$]",
        "--loss_functions.forces.coefficient=2",
        "--loss_functions.0.energy.fn=mse",
        "--optim.lr_initial=1e-4",
        "--optim.optimizer_params={'betas': (0.8, 0.99)}",
        "--model.use_pbc=no",
        "--model={'hidden_channels': 8}",
    )
    assert config["model"]["dc"] == {"activation": {"name": "irelu", "coefficient": 0.5}, "region": ["^act$"]}
    assert config["loss_functions"] == [
        {"energy": {"fn": "mse", "coefficient": 1}},
        {"forces": {"fn": "mae", "coefficient": 2}},
    ]
    assert config["optim"]["lr_initial"] == 1e-4
    assert config["optim"]["optimizer_params"] == {"betas": [0.8, 0.99]}
    assert config["model"]["use_pbc"] is False
    assert config["model"]["hidden_channels"] == 8
    assert config["model"]["name"] == MODEL["name"]


def test_a_config_that_changes_what_it_includes_is_no_reason_to_warn(caplog):
    config = fairchem_main.resolve_training("md17/gemnet_t-dc-tuned")
    assert config["model"]["dc"]["activation"]["coefficient"] == 0.125
    assert not caplog.messages


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--optim.max_epochs==2", "got '=' twice"),
        ("--loss_functions.force.coefficient=2", "Did you mean 'forces'"),
        ("--model.name.x=2", "which is not a block"),
        ("--num-gpus=-1", "--num-gpus: got -1, expected a whole number, at least 1"),
        ("--print-every=0", "--print-every: got 0, expected a whole number, at least 1"),
        ("--seed=-1", "--seed: got -1, expected a whole number, at least 0 and at most 4294967295"),
        ("--gp-gpus=2", "--gp-gpus 2: expected a divisor of the number of ranks, 1"),
        ("--num-nodes=0", "--num-nodes: got 0"),
        ("--sweep-yml=s.yml", "has an effect only with --submit"),
    ],
)
def test_words_of_a_command_line(resolve, word, message):
    with pytest.raises(UserError) as caught:
        resolve(word)
    assert message in str(caught.value)


def test_the_run_takes_the_same_overrides(tmp_path, small_config):
    words = ["--loss_functions.forces.coefficient=2", "--model.dc={activation: {name: irelu, coefficient: 0.5}}"]
    run = run_main(
        tmp_path, small_config(logger=None, optim={"max_epochs": 1}), *words, "--print-every", "1", cpu=False
    )
    assert run.status == 0
    config = run.load()["config"]
    assert config["loss_functions"][1]["forces"]["coefficient"] == 2
    assert config["model"]["dc"] == {"activation": {"name": "irelu", "coefficient": 0.5}}
    assert not list((tmp_path / "logs").rglob("events*"))  # logger: null


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"includes": "_base.yml"}, r"c\.yml: includes: got '_base\.yml', expected a list"),
        ({"includes": None}, r"includes: got None, expected a list"),
        ({"includes": [3]}, r"includes: got \[3\], expected a list"),
        ({"includes": ["none.yml"]}, r"includes: none\.yml: no such file"),
        ({"includes": ["sub"]}, r"sub: is a folder"),
        ({"includes": ["c.yml"]}, r"c\.yml: includes itself"),
        ({"includes": ["twice.yml"]}, r"twice\.yml: is not YAML: the key 'a' is repeated"),
        ({"title": "t", "base": "b.yml", "arms": {}}, r"is a study; `ocp-dc study run` takes it"),
        ({"task": "advection", "network": {"width": 8}}, r"is a physics-informed task; `ocp-dc pinn train` takes it"),
    ],
)
@pytest.mark.parametrize("command", ["main", "inspect", "fit-scales"])
def test_files_that_are_no_run_config(tmp_path, capsys, command, blocks, message):
    path = tmp_path / "c.yml"
    path.write_text(yaml.safe_dump(blocks))
    (tmp_path / "sub").mkdir()
    (tmp_path / "twice.yml").write_text("a: 1\na: 2\n")
    words = ["main", "--mode", "train", "--cpu", "--config-yml"] if command == "main" else [command]
    assert main([*words, str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    with pytest.raises(UserError, match=message):
        raise UserError(error)


def test_a_checkpoint_is_no_config(trained):
    with pytest.raises(UserError, match="is a zip archive, such as a checkpoint"):
        inspect_config(str(trained.checkpoint()))


@pytest.mark.parametrize("content", [b"\x80\x02}q.", b"a: \xff"])
def test_binary_files_are_no_config(tmp_path, content):
    path = tmp_path / "c.yml"
    path.write_bytes(content)
    with pytest.raises(UserError, match="expected a run config such as"):
        inspect_config(str(path))


def flags(*words):
    return fairchem_main.parse(["--mode", "train", "--config-yml", "c.yml", *words])[0]


def test_without_a_gpu(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    args = flags()
    with caplog.at_level(logging.WARNING):
        machine_check.settle_device(args)
    assert args.cpu
    assert caplog.messages == ["no GPU on this machine: using the CPU, as with --cpu"]
    with pytest.raises(UserError, match=r"--num-gpus 4: this machine has no GPU; .* add --cpu for 4 ranks"):
        machine_check.settle_device(flags("--num-gpus", "4"))
    machine_check.settle_device(flags("--num-gpus", "4", "--cpu"))
    submitted = flags("--num-gpus", "4", "--submit")
    machine_check.settle_device(submitted)
    assert not submitted.cpu


def test_with_two_gpus(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    args = flags("--num-gpus", "2")
    machine_check.settle_device(args)
    assert (args.cpu, caplog.messages) == (False, [])
    with pytest.raises(UserError, match="this machine has 2 GPUs"):
        machine_check.settle_device(flags("--num-gpus", "3"))


@pytest.fixture
def logged_out(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("WANDB") or name == "NETRC"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("config", [{}, {"logger": "wandb"}, {"logger": {"name": "wandb", "project": "p"}}])
def test_wandb_needs_a_login(logged_out, monkeypatch, config):
    with pytest.raises(UserError, match=r"no login to Weights & Biases.*logger: tensorboard.*WANDB_MODE=offline"):
        machine_check.check_logger(config)
    machine_check.check_logger({**config, "is_debug": True})
    (logged_out / ".netrc").write_text("machine example.org login a password b\n")
    with pytest.raises(UserError, match="no login"):
        machine_check.check_logger(config)
    (logged_out / ".netrc").write_text("machine api.wandb.ai login user password key\n")
    machine_check.check_logger(config)
    (logged_out / ".netrc").unlink()
    monkeypatch.setenv("WANDB_MODE", "offline")
    machine_check.check_logger(config)


def test_other_loggers_need_none(logged_out):
    machine_check.check_logger({"logger": "tensorboard"})
    machine_check.check_logger({"logger": "none"})


def test_every_flag_of_the_table_is_one():
    assert isinstance(flags(), argparse.Namespace)
    assert set(machine_check.MINIMUM) <= set(vars(flags()))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({}, []),
        ({"seed": 0, "print_every": 10}, []),  # as the flags have it
        ({"seed": 7, "mode": "predict"}, ["seed: 7", "mode: 'predict'"]),
    ],
)
def test_keys_of_a_file_that_flags_decide_on(tmp_path, resolve, caplog, written, said):
    unknown_keys.warn_once.cache_clear()
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **written}))
    resolve()
    lines = [message for message in caplog.messages if "flags of the command line" in message]
    assert len(lines) == bool(said)
    assert all(words in lines[0] for words in said)
