"""What a divergence says, to people and to programs."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import pytest
import torch

from ocp_dc.training.finite_checks import DivergenceError, check_gradients, check_term


def trainer_at(step: int, folder, model=None) -> SimpleNamespace:
    return SimpleNamespace(step=step, scaler=None, model=model, config={"cmd": {"checkpoint_dir": str(folder)}})


def test_a_term(tmp_path):
    with pytest.raises(
        DivergenceError, match="training diverged at step 312: the forces loss is not finite; no"
    ) as got:
        check_term(trainer_at(312, tmp_path), "forces", torch.ones(2), torch.tensor([1.0, torch.nan]))
    assert (got.value.step, got.value.what) == (312, "the forces loss")
    again = pickle.loads(pickle.dumps(got.value))
    assert (str(again), again.step, again.what) == (str(got.value), 312, "the forces loss")


def test_a_gradient_names_its_parameter_and_the_last_checkpoint(tmp_path):
    model = torch.nn.Linear(2, 1)
    model(torch.full((1, 2), torch.inf)).sum().backward()
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(DivergenceError, match=r"the last good checkpoint is .*checkpoint\.pt\. Lower optim") as got:
        check_gradients(trainer_at(7, tmp_path, model))
    assert (got.value.step, got.value.what) == (7, "the gradient of weight")


def test_under_amp_the_gradient_scaler_deals_with_gradients(tmp_path):
    """It skips the step and lowers its scale: infinite gradients are ordinary there."""
    model = torch.nn.Linear(2, 1)
    model(torch.full((1, 2), torch.inf)).sum().backward()
    trainer = trainer_at(7, tmp_path, model)
    trainer.scaler = object()
    check_gradients(trainer)
