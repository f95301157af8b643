"""The ``optim`` block: what is refused, and that weight decay reaches the optimizer."""

from __future__ import annotations

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.optim_check import check_optim
from ocp_dc.fairchem1.infer.inspect_model import build_model
from ocp_dc.fairchem1.trainer import DCTrainer

from tests.helpers.runs import MODEL, run_main

OPTIM = {"lr_initial": 1e-3, "max_epochs": 1, "batch_size": 10, "scheduler": "Null"}


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW"])
@pytest.mark.parametrize("written", [{"weight_decay": 0.3}, {"optimizer_params": {"weight_decay": 0.3}}])
def test_weight_decay_reaches_the_weights_and_leaves_biases_and_embeddings(tmp_path, small_config, optimizer, written):
    optim = {**OPTIM, "optimizer": optimizer, **written}
    run = run_main(tmp_path, small_config(optim=optim))
    assert run.status == 0
    exempt, decaying = run.load()["optimizer"]["param_groups"]
    assert (exempt["weight_decay"], decaying["weight_decay"]) == (0, 0.3)
    names = [name for name, _ in build_model(MODEL).named_parameters()]
    free = [name for name in names if "bias" in name or "embedding" in name]
    assert (len(exempt["params"]), len(decaying["params"])) == (len(free), len(names) - len(free))
    assert len(free) > 0


def test_weight_decay_changes_the_weights_as_adamw_says(tmp_path, small_config):
    """The first step of AdamW is that of Adam from weights that are 1 - lr * decay times as large."""
    config = {"optimizer": "AdamW", "checkpoint_every": 1, "lr_initial": 1e-2, "max_epochs": 1, "batch_size": 40}
    weights = {}
    for decay in (0, 0.5):
        optim = {**config, "optimizer_params": {"weight_decay": decay}}
        weights[decay] = run_main(tmp_path, small_config(optim=optim)).load()["state_dict"]
    initial = _initial(tmp_path, small_config)
    name = "interactions.0.lin.weight"
    torch.testing.assert_close(weights[0][name] - weights[0.5][name], 1e-2 * 0.5 * initial[name], rtol=1e-3, atol=1e-7)
    assert torch.equal(weights[0]["interactions.0.lin.bias"], weights[0.5]["interactions.0.lin.bias"])


def _initial(tmp_path, small_config):
    still = {"optimizer": "SGD", "lr_initial": 1e-30, "max_epochs": 1, "batch_size": 40}
    return run_main(tmp_path, small_config(optim=still)).load()["state_dict"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_decay": 0}, r"fairchem ignores a value of 0, and AdamW would use 0\.01"),
        ({"weight_decay": 0.0, "optimizer": "AdamW"}, r"write optimizer_params: \{weight_decay: 0\}"),
        ({"weight_decay": 0, "optimizer": "Adam", "optimizer_params": {"weight_decay": 0.1}}, r"would use 0\.1"),
        ({"weight_decay": "1e-2"}, r"optim\.weight_decay: got '1e-2', expected a finite number.*write 1\.0e-3"),
        (
            {"optimizer_params": {"weight_decay": "1e-2"}},
            r"optimizer_params\.weight_decay: got '1e-2', expected a number",
        ),
        ({"optimizer_params": {"weight_decai": 0.1}}, r"optimizer_params \(AdamW\).*Did you mean 'weight_decay'"),
        ({"optimizer_params": {"lr": 0.1}}, r"unknown key 'lr'"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        check_optim({**OPTIM, **changes}, DCTrainer)


def test_stock_trainers_go_on_with_a_weight_decay_of_0_that_is_none(caplog):
    check_optim({**OPTIM, "weight_decay": 0})
    assert "AdamW would use 0.01" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "Adam", "weight_decay": 0},
        {"optimizer": "SGD", "weight_decay": 0},
        {"optimizer": "Rprop", "weight_decay": 0},
        {"optimizer_params": {"weight_decay": 0, "amsgrad": True}},
        {"weight_decay": 0, "optimizer_params": {"weight_decay": 0}},
        {"optimizer_params": None},
    ],
)
def test_what_is_taken(changes):
    check_optim({**OPTIM, **changes}, DCTrainer)
