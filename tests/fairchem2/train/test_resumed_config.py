"""A resumed run has the model and the scales of its checkpoint."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.train.resumed_config import check_resumed, same_losses


def config(
    src: str = "data", rmsd: float = 2.0, target: str = "a.DCHydraModel", lr: float = 1.0, **dc: Any
) -> DictConfig:
    references = {"_args_": [[float("nan"), -1.0]]}
    task = {"name": "energy", "normalizer": {"rmsd": rmsd}, "element_references": references}
    unit = {"model": {"_target_": target, "dc": {"region": "output", **dc}}, "tasks": [task], "lr": lr}
    return OmegaConf.create(
        {"runner": {"train_eval_unit": unit, "train_dataloader": {"dataset": {"splits": {"train": {"src": src}}}}}}
    )


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ({"region": "full"}, r"^model\.dc\.region: got 'full', and CK was saved with 'output'"),
        ({"denormalize": "all"}, r"^model\.dc\.denormalize: got 'all', and CK was saved with None"),
        ({"rmsd": 2.1}, r"^tasks\.energy\.normalizer\.rmsd: got 2\.1, and CK was saved with 2\.0"),
    ],
)
def test_a_change_of_what_weights_mean(now: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_resumed(config(), config(**now), "CK", logs=True)


def test_losses_are_compared() -> None:
    def with_loss(coefficient: float, fn: str = "mae") -> DictConfig:
        found = config()
        loss = {"loss_fn": {"_target_": fn}, "coefficient": coefficient}
        found.runner.train_eval_unit.tasks[0].loss_fn = loss
        return found

    assert same_losses(with_loss(10.0), with_loss(10.0))
    assert not same_losses(with_loss(10.0), with_loss(30.0))
    assert not same_losses(with_loss(10.0), with_loss(10.0, "mse"))


def test_changes_that_are_allowed(caplog: pytest.LogCaptureFixture) -> None:
    for now in ({}, {"lr": 2.0}, {"accelerate": "off"}, {"target": "initialize_finetuning_model", "region": "full"}):
        check_resumed(config(), config(**now), "CK", logs=True)
    assert not caplog.records
    check_resumed(config(), config(src="other"), "CK", logs=True)
    assert "other training data: train.splits.train.src was 'data', now other" in caplog.text
