"""What ``ocp-dc main`` shows with fairchem 1.10: few lines, or nothing, or everything; the rest is in the log."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocp_dc.training.log_file import NAME

from tests.helpers.run_output import ERRORS, LINES, check_lines, on_terminal
from tests.helpers.runs import Run, run_main

DC = {"dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}}
FAIRCHEMS = ("amp: false", "max_epochs: 2", "Loading dataset: lmdb_in_memory", "Evaluating on val.", "rank: 0: Sampler")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, small_config: Callable[..., dict[str, Any]]) -> Path:
    return shown(tmp_path_factory.mktemp("log"), small_config(model=DC)).result(NAME)


def shown(folder: Path, config: dict[str, Any], *arguments: str, **more: Any) -> Run:
    run = run_main(folder, config, *arguments, **more)
    assert run.status == 0
    return run


def test_a_few_lines(tmp_path, small_config, capsys):
    before = list(logging.getLogger().handlers)
    run = shown(tmp_path, small_config(model=DC))
    out, error = capsys.readouterr()
    check_lines(out)
    assert error == ""  # no bar where there is no terminal, and no warning
    assert logging.getLogger().handlers == before
    assert str(run.checkpoint("best_checkpoint.pt")) in out.splitlines()[-1]


def test_the_log_has_everything(log):
    text = log.read_text()
    for each in (
        *FAIRCHEMS,
        "act: ShiftedSoftplus() -> IReLU",
        "(WARNING): Disabled BalancedBatchSampler",
        "best checkpoint",
    ):
        assert each in text


def test_quiet(tmp_path, small_config, capsys):
    run = shown(tmp_path, small_config(), "-q")
    assert capsys.readouterr() == ("", "")
    assert "Evaluating on val." in run.result(NAME).read_text()


def test_quiet_shows_warnings_and_errors(tmp_path, small_config, capsys):
    assert run_main(tmp_path, small_config(optim={"lr": 1}), "--quiet").status == 0
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("warning: ")
    assert "optim.lr" in error
    assert run_main(tmp_path, small_config(model={"hidden_channels": -1}), "-q").status == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_verbose(tmp_path, small_config, capsys):
    shown(tmp_path, small_config(model=DC), "--verbose")
    out, error = capsys.readouterr()
    assert all(each in out for each in FAIRCHEMS)
    assert "(WARNING): Disabled BalancedBatchSampler" in error
    assert "\nbest checkpoint: " in out


def test_a_resumed_run_adds_to_the_log(tmp_path, small_config, capsys):
    shown(tmp_path, small_config(optim={"max_epochs": 1}), name="run")
    shown(tmp_path, small_config(optim={"max_epochs": 2}), name="run")
    assert "\nresumed  from step 4\n" in capsys.readouterr().out
    assert (tmp_path / "results" / "run" / NAME).read_text().count("amp: false") == 2


def test_the_other_modes(tmp_path, small_config, trained, capsys):
    config, best = small_config(model=DC), ("--checkpoint", str(trained.checkpoint("best_checkpoint.pt")))
    shown(tmp_path, config, *best, mode="validate")
    check_lines(capsys.readouterr().out, [rf"val: {ERRORS}"])
    shown(tmp_path, config, *best, mode="predict", name="p")
    check_lines(capsys.readouterr().out, [rf"predictions: {tmp_path}/results/p/ocp_predictions\.npz"])


def test_stock_trainers_show_what_they_log(tmp_path, small_config, capsys):
    metrics = {"metrics": {"forces": ["mae"]}, "primary_metric": "forces_mae"}
    config = small_config(trainer="ocp", model={"name": "schnet"}, evaluation_metrics=metrics)
    config["dataset"]["train"].pop("transforms")
    shown(tmp_path, config)
    assert "Evaluating on val." in capsys.readouterr().out


def test_a_log_that_cannot_be_written_is_one_message(tmp_path, small_config, capsys):
    (tmp_path / "results" / "run" / NAME).mkdir(parents=True)
    assert run_main(tmp_path, small_config(), name="run").status == 2
    assert f"{NAME}: cannot be written: Is a directory" in capsys.readouterr().err


@pytest.mark.slow
def test_on_a_terminal(tmp_path, small_config):
    (tmp_path / "run.yml").write_text(yaml.safe_dump(small_config(model=DC)))
    arguments = ["main", "--mode", "train", "--config-yml", "run.yml", "--cpu", "--print-every", "2"]
    status, text = on_terminal([sys.executable, "-m", "ocp_dc", *arguments], tmp_path, dict(os.environ))
    assert status == 0
    assert "epoch 2/2" in text
    assert "loss=" in text
    assert "meV/Å]" in text
    assert "training" not in text.replace("40 training", "")  # the bars of other parts are gone
    assert text.rstrip().splitlines()[-1].startswith("next: ocp-dc evaluate checkpoints/")


@pytest.mark.slow
def test_one_of_two_ranks_prints(tmp_path, small_config):
    (tmp_path / "run.yml").write_text(yaml.safe_dump(small_config(model=DC, optim={"batch_size": 5})))
    arguments = ["main", "--mode", "train", "--config-yml", "run.yml", "--cpu", "--num-gpus", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "ocp_dc", *arguments, "--timestamp-id", "two"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    check_lines(done.stdout, LINES)
    results = tmp_path / "results" / "two"
    assert "Evaluating on val." in (results / NAME).read_text()
    assert (results / "fairchem-rank1.log").is_file()
