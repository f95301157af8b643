"""Runs with ``optim.lr_factors``: resumed, with another config, extended, and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ocp_dc.fairchem1.train import loop
from ocp_dc.fairchem1.trainer import DCTrainer

from tests.helpers.runs import Run, run_main

Config = Callable[..., dict[str, Any]]
OPTIM: dict[str, Any] = {
    "optimizer": "AdamW",
    "optimizer_params": {"weight_decay": 0.1},
    "scheduler": "OneCycleLR",
    "max_epochs": 2,
    "lr_factors": {"^lin1|^lin2": 0.25},
}


@pytest.fixture(scope="module")
def run(small_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = run_main(tmp_path_factory.mktemp("factors"), small_config(optim=OPTIM))
    assert run.status == 0
    return run


def test_groups_of_a_run(run: Run) -> None:
    groups = run.load()["optimizer"]["param_groups"]
    assert [(group["lr_factor"], group["weight_decay"]) for group in groups] == [
        (1, 0),
        (0.25, 0),
        (1, 0.1),
        (0.25, 0.1),
    ]
    for group in groups:
        scaled = group["lr_factor"] == 0.25
        assert {name.startswith(("lin1.", "lin2.")) for name in group["param_names"]} == {scaled}
        assert group["max_lr"] == group["lr_factor"] * 1e-3
        assert group["fused"] is True
    rates = [float(row["learning_rate"]) for row in run.validations()]
    assert rates[-1] == pytest.approx(groups[0]["lr"], rel=1e-12)
    assert 1e-3 > rates[0] > rates[1]


def test_moments_go_with_their_parameters(run: Run, tmp_path: Path, small_config: Config, monkeypatch: Any) -> None:
    """Also where the config has other factors, or none, or no weight decay."""
    saved = run.load()["optimizer"]
    names = [name for group in saved["param_groups"] for name in group["param_names"]]
    expected = {name: saved["state"][index]["exp_avg"] for index, name in enumerate(names)}
    seen: dict[str, torch.Tensor] = {}

    def stop(trainer: DCTrainer, *args: Any) -> None:
        state = trainer.optimizer.state
        seen.update({name: state[p]["exp_avg"].clone() for name, p in trainer.model.named_parameters() if p in state})

    monkeypatch.setattr(loop, "_epochs", stop)
    for change in ({"lr_factors": {"embedding|bias": 2.0}}, {"lr_factors": None}, {"optimizer_params": None}):
        seen.clear()
        config = small_config(optim={**OPTIM, **change, "max_epochs": 3})
        arguments = ("--checkpoint", str(run.checkpoint()), "--resume-with", "config")
        assert run_main(tmp_path, config, *arguments).status == 0
        assert seen.keys() == expected.keys()
        assert all(torch.equal(seen[name], moment) for name, moment in expected.items())


def test_factors_of_the_checkpoint_count(
    run: Run, tmp_path: Path, small_config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    config = small_config(optim={**OPTIM, "lr_factors": {"embedding": 0.5}, "max_epochs": 3})
    resumed = run_main(tmp_path, config, "--checkpoint", str(run.checkpoint()))
    assert "embedding: nothing in the checkpoint, 0.5 in the config; the checkpoint's counts" in caplog.text
    assert {group["lr_factor"] for group in resumed.load()["optimizer"]["param_groups"]} == {1, 0.25}


def test_an_extension_keeps_the_factors(run: Run, tmp_path: Path, small_config: Config) -> None:
    config = small_config(optim={**OPTIM, "max_epochs": 4, "extension": {"after": 2, "peak": 0.5}})
    extended = run_main(tmp_path, config, "--checkpoint", str(run.checkpoint())).load()
    assert extended["step"] == 16
    groups = extended["optimizer"]["param_groups"]
    assert [group["max_lr"] for group in groups] == pytest.approx([5e-4 * group["lr_factor"] for group in groups])
    assert [group["lr"] for group in groups] == pytest.approx([groups[0]["lr"] * g["lr_factor"] for g in groups])


def test_a_name_that_does_not_exist(tmp_path: Path, small_config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    config = small_config(optim={"lr_factors": {r"^output_blocks\.": 0.25}})
    assert run_main(tmp_path, config).status == 2
    assert "matches the name of no parameter that is trained; the nearest names are" in capsys.readouterr().err
