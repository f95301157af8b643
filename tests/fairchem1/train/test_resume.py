"""A run that is stopped and resumed ends with the weights of the uninterrupted run."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from ocp_dc.training.validation_log import MEASURED

from tests.helpers.runs import CGCNN, Run, run_main

OPTIM = {"scheduler": "OneCycleLR", "ema_decay": 0.95, "max_epochs": 4, "checkpoint_every": 3, "clip_grad_norm": 10.0}
OLD_COLUMNS = ["step", "epoch", "learning_rate", "train_loss", "loss", "energy_mae [eV]", "forces_mae [eV/Å]"]


def assert_same_state(first: Run, second: Run) -> None:
    one, two = first.load(), second.load()
    assert one["step"] == two["step"]
    for name, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][name]), name
    for mine, theirs in zip(one["ema"]["shadow_params"], two["ema"]["shadow_params"], strict=True):
        assert torch.equal(mine, theirs)
    assert one["scheduler"]["last_epoch"] == two["scheduler"]["last_epoch"]
    assert one["best_val_metric"] == two["best_val_metric"]
    best_one, best_two = first.load("best_checkpoint.pt"), second.load("best_checkpoint.pt")
    for name, value in best_one["state_dict"].items():
        assert torch.equal(value, best_two["state_dict"][name]), name
    assert reproducible(first) == reproducible(second)


def reproducible(run: Run) -> list[dict[str, str]]:
    """The rows of the validations, without times and memory."""
    return [{name: value for name, value in row.items() if name not in MEASURED} for row in run.validations()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, small_config) -> Run:
    return run_main(tmp_path_factory.mktemp("whole"), small_config(optim=OPTIM))


# the command, which dies in its fifth step as one does that is killed from outside
KILLED = """
import os, signal, sys
from ocp_dc.cli import main
from ocp_dc.fairchem1.trainer import DCTrainer
backward = DCTrainer._backward
def killed(self, loss):
    backward(self, loss)
    if self.step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
DCTrainer._backward = killed
sys.exit(main(sys.argv[1:]))
"""


def test_resumed_in_the_same_folder_after_a_kill(tmp_path, small_config, uninterrupted):
    """Killed without warning in mid-epoch, after a validation: the checkpoint of the third step starts the rest."""
    config = tmp_path / "config.yml"
    config.write_text(yaml.safe_dump(small_config(optim=OPTIM)))
    command = [sys.executable, "-c", KILLED, "main", "--mode", "train", "--config-yml", str(config), "--cpu"]
    command += ["--run-dir", str(tmp_path), "--timestamp-id", "killed"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    killed = Run(done.returncode, tmp_path, "killed")
    assert killed.load()["step"] == 3
    assert len(killed.validations()) == 1
    resumed = run_main(tmp_path, small_config(optim=OPTIM), name="killed")
    assert resumed.status == 0
    assert_same_state(resumed, uninterrupted)


@pytest.mark.parametrize("stop_after", [3, 4, 6])
def test_resumed_from_a_checkpoint_into_a_new_folder(tmp_path, small_config, uninterrupted, monkeypatch, stop_after):
    """Stopped by Ctrl-C in mid-epoch, at its end, and behind a validation."""
    stopped = _interrupted_run(tmp_path / "first", small_config(optim=OPTIM), monkeypatch, stop_after)
    assert stopped.status == 130
    assert stopped.load()["step"] == stop_after
    (tmp_path / "second").mkdir()
    arguments = ("--checkpoint", str(stopped.checkpoint()))
    resumed = run_main(tmp_path / "second", small_config(optim=OPTIM), *arguments, name=stopped.name)
    assert_same_state(resumed, uninterrupted)


def test_a_run_that_an_earlier_version_began(tmp_path, small_config, uninterrupted, monkeypatch):
    """Of its checkpoint the loss since the last validation, of its CSV the rows; the terms start where it resumes."""
    stopped = _interrupted_run(tmp_path / "run", small_config(optim=OPTIM), monkeypatch, 6)
    state = stopped.load()
    state["loss_sum"] = state.pop("loss_sums")["loss"]
    torch.save(state, stopped.checkpoint())
    kept = [[value for name, value in row.items() if name in OLD_COLUMNS] for row in stopped.validations()]
    with stopped.result("validation.csv").open("w", newline="") as file:
        csv.writer(file).writerows([OLD_COLUMNS, *kept])
    resumed = run_main(tmp_path / "run", small_config(optim=OPTIM), name=stopped.name)
    assert resumed.status == 0
    rows, expected = reproducible(resumed), reproducible(uninterrupted)
    assert [row["step"] for row in rows] == ["4", "8", "12", "16"]
    assert [row["train_loss"] for row in rows] == [row["train_loss"] for row in expected]
    assert rows[0] == {name: value if name in OLD_COLUMNS else "" for name, value in expected[0].items()}
    assert float(rows[1]["train_loss_forces"]) > 0  # of two steps of four
    assert rows[2:] == expected[2:]


def _interrupted_run(folder: Path, config: dict, monkeypatch: pytest.MonkeyPatch, stop_after: int) -> Run:
    """Run with a Ctrl-C in the middle of step ``stop_after``."""
    from ocp_dc.fairchem1.trainer import DCTrainer

    folder.mkdir()
    backward = DCTrainer._backward

    def interrupted(self, loss):
        if self.step == stop_after:
            os.kill(os.getpid(), signal.SIGINT)
        backward(self, loss)

    with monkeypatch.context() as patch:
        patch.setattr(DCTrainer, "_backward", interrupted)
        return run_main(folder, config)


def test_random_numbers_in_the_forward_pass_resume_exactly(tmp_path, small_config, monkeypatch):
    """They are drawn from the global generator, whose state matters as well."""
    from fairchem.core.models.schnet import SchNetWrap

    forward = SchNetWrap.forward

    def noisy(self, data):
        if self.training:
            data.pos = data.pos + 0.01 * torch.rand(()).item()
            data.pos = data.pos * (1 + 0.01 * torch.rand(()).item())
        return forward(self, data)

    monkeypatch.setattr(SchNetWrap, "forward", noisy)
    (tmp_path / "whole").mkdir()
    whole = run_main(tmp_path / "whole", small_config(optim=OPTIM))
    stopped = _interrupted_run(tmp_path / "part", small_config(optim=OPTIM), monkeypatch, 6)
    resumed = run_main(tmp_path / "part", small_config(optim=OPTIM), name=stopped.name)
    assert_same_state(resumed, whole)


def _whole_and_resumed(tmp_path, config, monkeypatch):
    """An uninterrupted run, and one that was interrupted at step 6 and went on."""
    (tmp_path / "whole").mkdir()
    whole = run_main(tmp_path / "whole", config)
    stopped = _interrupted_run(tmp_path / "part", config, monkeypatch, 6)
    return whole, run_main(tmp_path / "part", config, name=stopped.name)


def test_weights_of_the_loss_resume_exactly(tmp_path, small_config, monkeypatch):
    losses = [
        {"energy": {"fn": "mae", "coefficient": 1}},
        {"forces": {"fn": "huber", "coefficient": 100, "final_coefficient": 10, "delta": 0.2}},
    ]
    whole, resumed = _whole_and_resumed(tmp_path, small_config(optim=OPTIM, loss_functions=losses), monkeypatch)
    assert_same_state(resumed, whole)


@pytest.mark.parametrize("start", [0.2, 0.6], ids=["begun", "not begun"])
def test_equal_averages_resume_exactly(tmp_path, small_config, monkeypatch, start):
    """Interrupted after the sixth of 16 steps."""
    config = small_config(optim={**OPTIM, "ema_decay": None, "swa_start": start})
    whole, resumed = _whole_and_resumed(tmp_path, config, monkeypatch)
    assert whole.load()["ema"]["num_updates"] == 16 - int(16 * start)
    assert_same_state(resumed, whole)


def test_factors_of_the_learning_rate_resume_exactly(tmp_path, small_config, monkeypatch):
    factors = {"^lin1|^lin2": 0.25, "embedding": 2.0}
    optim = {**OPTIM, "optimizer": "AdamW", "optimizer_params": {"weight_decay": 0.1}, "lr_factors": factors}
    whole, resumed = _whole_and_resumed(tmp_path, small_config(optim=optim), monkeypatch)
    assert len(whole.load()["optimizer"]["param_groups"]) == 5
    assert_same_state(resumed, whole)
    assert resumed.load()["optimizer"]["param_groups"] == whole.load()["optimizer"]["param_groups"]


def test_running_statistics_resume_exactly(tmp_path, small_config, monkeypatch):
    """Of BatchNorm, which CGCNN has: they are neither parameters nor averaged with them."""
    config = {**small_config(optim=OPTIM), "model": CGCNN}
    whole, resumed = _whole_and_resumed(tmp_path, config, monkeypatch)
    assert any(name.endswith("bn1.running_mean") for name in whole.load()["state_dict"])
    assert_same_state(resumed, whole)


def test_fitted_gains_resume_exactly(tmp_path, small_config, monkeypatch):
    """They are fitted once, on the first batch of a fresh training."""
    config = {**small_config(optim=OPTIM), "model": {**CGCNN, "dc": {"denormalize": "all", "norm_gain": "fitted"}}}
    whole, resumed = _whole_and_resumed(tmp_path, config, monkeypatch)
    assert sum(name.endswith(".gain") for name in whole.load()["state_dict"]) == 4
    assert_same_state(resumed, whole)


def test_inserted_dropout_and_norms_resume_exactly(tmp_path, small_config, monkeypatch):
    """A mask for each activation and step, and running statistics of norms that the stock model does not have."""
    dc = {"dropout": 0.2, "insert_norm": "batchnorm", "insert_region": "full"}
    config = small_config(optim=OPTIM, model={"dc": dc})
    whole, resumed = _whole_and_resumed(tmp_path, config, monkeypatch)
    assert any(name.endswith("act.norm.running_mean") for name in whole.load()["state_dict"])
    assert_same_state(resumed, whole)


def test_a_run_goes_on_with_other_batches_at_the_same_epoch(tmp_path, small_config, caplog):
    """As on another number of ranks: an epoch has other steps, and the schedule is that of the config."""
    optim = {"scheduler": "OneCycleLR", "max_epochs": 2}
    first = run_main(tmp_path, small_config(optim=optim))
    assert first.load()["step"] == 8
    optim = {"scheduler": "OneCycleLR", "max_epochs": 4, "batch_size": 5}
    second = run_main(tmp_path, small_config(optim=optim), "--checkpoint", str(first.checkpoint()))
    assert "an epoch has 8 steps, so that the run resumes from step 16" in caplog.text
    whole = run_main(tmp_path, small_config(optim=optim))
    assert second.load()["step"] == whole.load()["step"] == 32
    assert second.load()["scheduler"]["_last_lr"] == pytest.approx(whole.load()["scheduler"]["_last_lr"], rel=1e-9)
    rates = [{row["epoch"]: row["learning_rate"] for row in run.validations()} for run in (second, whole)]
    assert {epoch: rates[0][epoch] for epoch in ("3.0", "4.0")} == {epoch: rates[1][epoch] for epoch in ("3.0", "4.0")}
