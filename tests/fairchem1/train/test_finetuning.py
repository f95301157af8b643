"""Fine-tuning of stock checkpoints of fairchem 1.10, and of a part of the weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import ocp_dc
from ocp_dc.core.errors import UserError

from tests.helpers.runs import run_main


@pytest.mark.parametrize("scales", [(2.0, 3.0), (2.0, 2.0)], ids=["two scales", "one scale"])
def test_a_stock_checkpoint(
    small_config: Callable[..., dict[str, Any]], ethanol: Path, tmp_path: Path, scales: tuple[float, float]
) -> None:
    """Its energies and forces are in units of two numbers, which are kept, or of one, which becomes C."""
    normalizer = {"energy": {"mean": -300.0, "rmsd": scales[0]}, "forces": {"mean": 0.0, "rmsd": scales[1]}}
    metrics = {"metrics": {"energy": ["mae"], "forces": ["mae"]}, "primary_metric": "forces_mae"}
    config = small_config(trainer="ocp", evaluation_metrics=metrics)
    config["dataset"]["train"]["transforms"] = {"normalizer": normalizer}
    stock = run_main(tmp_path, config)
    assert stock.status == 0
    before = ocp_dc.evaluate(stock.checkpoint("best_checkpoint.pt"), ethanol / "val", cpu=True)
    tuned = ocp_dc.finetune(
        stock.checkpoint("best_checkpoint.pt"), ethanol, out=tmp_path / "runs", epochs=1, lr=1e-9, cpu=True
    )
    after = torch.load(tuned.best, weights_only=True)
    assert after["normalizers"]["energy"]["rmsd"].item() == scales[0]
    assert after["normalizers"]["forces"]["rmsd"].item() == scales[1]
    assert (after["label_rescaling"] is None) is (scales[0] != scales[1])
    errors = tuned.evaluate(ethanol / "val", cpu=True)
    assert errors["forces_mae"] == pytest.approx(before["forces_mae"], rel=1e-4)  # the same weights and scales
    assert errors["energy_mae"] < 0.5  # references of these data


def test_parts_of_the_weights(small_config: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    config = small_config(optim={"trainable": [r"^lin2\.", r"^interactions\.1\."], "ema_decay": 0.9})
    run = run_main(tmp_path, config)
    assert run.status == 0
    state = run.load()
    trained = [value for name, value in state["state_dict"].items() if name.startswith(("lin2.", "interactions.1."))]
    assert len(state["ema"]["shadow_params"]) == len({value.data_ptr() for value in trained})  # some have two names
    resumed = run_main(tmp_path, {**config, "optim": {**config["optim"], "max_epochs": 3}}, name=run.name)
    assert resumed.status == 0
    assert resumed.load()["step"] == 12


@pytest.mark.parametrize(
    ("trainable", "words"),
    [
        (["^nothing"], "which no parameter matches; .*The parts of the model are .*interactions, lin1, lin2"),
        ([""], "which every parameter matches"),
        ("tail", "expected 'head', or a list of regular expressions"),
        (["("], "is not a regular expression"),
    ],
)
def test_expressions_that_are_not_valid(
    small_config: Callable[..., dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    trainable: Any,
    words: str,
) -> None:
    assert run_main(tmp_path, small_config(optim={"trainable": trainable})).status == 2
    with pytest.raises(UserError, match=f"optim.trainable: .*{words}"):
        raise UserError(capsys.readouterr().err)
