"""What a divergence says, to people and to programs."""

from __future__ import annotations

import contextlib
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
    check_values,
    diverged,
    finite_flags,
)
from ocp_dc.training.flag_reader import FlagReader
from ocp_dc.training.state import TrainingState
from ocp_dc.training.subnormals import flushed_subnormals

ADVICE = "Lower optim.lr_initial"


def position(step: int, folder: Path) -> RunPosition:
    return RunPosition(step, folder / "checkpoint.pt", ADVICE)


def with_gradient(value: float) -> torch.nn.Linear:
    model = torch.nn.Linear(2, 1)
    model(torch.full((1, 2), value)).sum().backward()
    return model


def test_the_error(tmp_path):
    error = diverged("the forces loss", position(312, tmp_path))
    assert str(error).startswith("training diverged at step 312: the forces loss is not finite; no checkpoint")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.step, again.what) == (str(error), 312, "the forces loss")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_flags_are_exact(dtype):
    """The square of the largest finite number overflows; and no sum of infinities of both signs is hidden."""
    largest, smallest = torch.finfo(dtype).max, torch.finfo(dtype).smallest_normal
    wrong = [[torch.nan], [torch.inf], [-torch.inf], [1.0, torch.inf, -torch.inf], [0.0, torch.nan, largest]]
    right = [[largest] * 9, [-largest, largest], [0.0, -0.0], [smallest / 2], []]
    tensors = [torch.tensor(values, dtype=dtype) for values in (*wrong, *right)]
    expected = [bool(tensor.isfinite().all()) for tensor in tensors]
    assert expected == [False] * len(wrong) + [True] * len(right)
    for flushed in (contextlib.nullcontext(), flushed_subnormals()):
        with flushed:
            assert finite_flags(tensors).tolist() == expected


def test_flags_of_mixed_precision():
    tensors = [torch.ones(2, dtype=torch.float64), torch.tensor([torch.nan]), torch.ones((), dtype=torch.bfloat16)]
    assert finite_flags(tensors).tolist() == [True, False, True]


def test_values_names_all_that_are_not_finite(tmp_path):
    values = {"L_f": float("inf"), "L_IC": 1.0, "L_BC": torch.tensor(torch.nan)}
    with pytest.raises(DivergenceError, match="at step 3: the loss L_f, L_BC is not finite"):
        check_values(values, position(3, tmp_path))
    check_values({"L_f": 1e300}, position(3, tmp_path))


def test_a_gradient_names_its_parameter_and_the_last_checkpoint(tmp_path):
    model = with_gradient(torch.inf)
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(DivergenceError, match=r"the last good checkpoint is .*checkpoint\.pt\. Lower optim") as got:
        check_gradients(model.named_parameters(), position(7, tmp_path), FlagReader())
    assert (got.value.step, got.value.what) == (7, "the gradient of weight")


def test_parameters_without_gradients(tmp_path):
    """None has one, as where all weights are frozen; or some have."""
    model = torch.nn.Linear(2, 1)
    check_gradients(model.named_parameters(), position(1, tmp_path), FlagReader())
    check_gradients([], position(1, tmp_path), FlagReader())
    other = with_gradient(torch.nan)
    pairs = [*model.named_parameters("frozen"), *other.named_parameters("free")]
    with pytest.raises(DivergenceError, match=r"the gradient of free\.weight"):
        check_gradients(pairs, position(1, tmp_path), FlagReader())


def test_the_listener_of_gradients_leaves_them_to_a_scaler(tmp_path):
    check = GradientCheck(tmp_path / "checkpoint.pt", ADVICE)
    state = TrainingState(model=with_gradient(torch.nan), step=4)
    with pytest.raises(DivergenceError, match=f"at step 4: the gradient of weight is not finite; .*{ADVICE}"):
        check.step(state, {})
    state.scaler = torch.amp.GradScaler("cpu")
    check.step(state, {})


def test_a_late_check_names_the_step_and_the_parameter_of_the_gradient(tmp_path):
    """Although the gradients of the next step, all NaN by then, have replaced those of the step."""
    check = GradientCheck(tmp_path / "checkpoint.pt", ADVICE, FlagReader(late=True))
    model = with_gradient(1.0)
    check.step(TrainingState(model=model, step=3), {})
    model.bias.grad = torch.tensor([torch.inf])
    check.step(TrainingState(model=model, step=4), {})
    model.weight.grad = torch.full((1, 2), torch.nan)
    model.bias.grad = torch.tensor([torch.nan])
    with pytest.raises(DivergenceError, match="at step 4: the gradient of bias is not finite"):
        check.step(TrainingState(model=model, step=5), {})


def test_the_listener_of_losses(tmp_path):
    check = LossCheck(tmp_path / "checkpoint.pt", ADVICE)
    check.step(TrainingState(step=2), {"L_f": 1.0})
    with pytest.raises(DivergenceError, match="at step 2: the loss L_f is not finite"):
        check.step(TrainingState(step=2), {"L_f": float("nan")})
