"""What a divergence says, to people and to programs."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from ocp_dc.core.errors import DivergenceError
from ocp_dc.training.finite_checks import (
    GradientCheck,
    LossCheck,
    RunPosition,
    check_gradients,
    check_term,
    check_values,
)
from ocp_dc.training.state import TrainingState

ADVICE = "Lower optim.lr_initial"


def position(step: int, folder: Path) -> RunPosition:
    return RunPosition(step, folder / "checkpoint.pt", ADVICE)


def with_gradient(value: float) -> torch.nn.Linear:
    model = torch.nn.Linear(2, 1)
    model(torch.full((1, 2), value)).sum().backward()
    return model


def test_a_term(tmp_path):
    check_term("forces", position(312, tmp_path), torch.ones(2))
    with pytest.raises(
        DivergenceError, match="training diverged at step 312: the forces loss is not finite; no"
    ) as got:
        check_term("forces", position(312, tmp_path), torch.ones(2), torch.tensor([1.0, torch.nan]))
    assert (got.value.step, got.value.what) == (312, "the forces loss")
    again = pickle.loads(pickle.dumps(got.value))
    assert (str(again), again.step, again.what) == (str(got.value), 312, "the forces loss")


def test_values_names_all_that_are_not_finite(tmp_path):
    values = {"L_f": float("inf"), "L_IC": 1.0, "L_BC": torch.tensor(torch.nan)}
    with pytest.raises(DivergenceError, match="at step 3: the loss L_f, L_BC is not finite"):
        check_values(values, position(3, tmp_path))
    check_values({"L_f": 1e300}, position(3, tmp_path))


def test_a_gradient_names_its_parameter_and_the_last_checkpoint(tmp_path):
    model = with_gradient(torch.inf)
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(DivergenceError, match=r"the last good checkpoint is .*checkpoint\.pt\. Lower optim") as got:
        check_gradients(model.named_parameters(), position(7, tmp_path))
    assert (got.value.step, got.value.what) == (7, "the gradient of weight")


def test_parameters_without_gradients(tmp_path):
    """None has one, as where all weights are frozen; or some have."""
    model = torch.nn.Linear(2, 1)
    check_gradients(model.named_parameters(), position(1, tmp_path))
    check_gradients([], position(1, tmp_path))
    other = with_gradient(torch.nan)
    pairs = [*model.named_parameters("frozen"), *other.named_parameters("free")]
    with pytest.raises(DivergenceError, match=r"the gradient of free\.weight"):
        check_gradients(pairs, position(1, tmp_path))


def test_the_listener_of_gradients_leaves_them_to_a_scaler(tmp_path):
    check = GradientCheck(tmp_path / "checkpoint.pt", ADVICE)
    state = TrainingState(model=with_gradient(torch.nan), step=4)
    with pytest.raises(DivergenceError, match=f"at step 4: the gradient of weight is not finite; .*{ADVICE}"):
        check.step(state, {})
    state.scaler = torch.amp.GradScaler("cpu")
    check.step(state, {})


def test_the_listener_of_losses(tmp_path):
    check = LossCheck(tmp_path / "checkpoint.pt", ADVICE)
    check.step(TrainingState(step=2), {"L_f": 1.0})
    with pytest.raises(DivergenceError, match="at step 2: the loss L_f is not finite"):
        check.step(TrainingState(step=2), {"L_f": float("nan")})
