"""Factors of the learning rate: which parameters have which, and every schedule with them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from ocp_dc.core.errors import UserError
from ocp_dc.training.learning_rates import check_factors, split_groups, with_rates_of_groups


class Tied(nn.Module):
    """Two linear layers, and the first one again under another name."""

    def __init__(self) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(2, 2), nn.Linear(2, 1)
        self.again = self.lin1


def split(factors: dict[str, float], decay: bool = False, **settings: Any) -> tuple[Tied, torch.optim.Adam]:
    model = Tied()
    groups: Any = model.parameters()
    if decay:  # as fairchem makes them
        biases = [value for name, value in model.named_parameters() if name.endswith("bias")]
        others = [value for name, value in model.named_parameters() if not name.endswith("bias")]
        groups = [{"params": biases, "weight_decay": 0}, {"params": others, "weight_decay": 0.3}]
    optimizer = torch.optim.Adam(groups, lr=0.1, **settings)
    split_groups(optimizer, model, factors)
    return model, optimizer


def described(optimizer: torch.optim.Optimizer) -> list[tuple[list[str], float, float]]:
    groups = optimizer.param_groups
    return [(group["param_names"], group["lr"], group["weight_decay"]) for group in groups]


def test_groups_of_factors() -> None:
    model, optimizer = split({r"^lin2\.": 0.25, "nothing|lin2.bias": 0.25}, amsgrad=True)
    assert described(optimizer) == [(["lin1.weight", "lin1.bias"], 0.1, 0), (["lin2.weight", "lin2.bias"], 0.025, 0)]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert all(one is other for one, other in zip(parameters, model.parameters(), strict=True))
    assert all(group["amsgrad"] for group in optimizer.param_groups)


def test_groups_of_weight_decay_stay() -> None:
    _, optimizer = split({"^again": 2.0, r"lin2\.weight": 0.5}, decay=True)
    assert described(optimizer) == [
        (["lin2.bias"], 0.1, 0),
        (["lin1.bias"], 0.2, 0),
        (["lin2.weight"], 0.05, 0.3),
        (["lin1.weight"], 0.2, 0.3),
    ]


def test_a_step_of_sgd_is_shorter_by_the_factor(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    model = Tied()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    split_groups(optimizer, model, {"lin2": 0.25})
    assert "'lin2' with 0.25 matches 2 parameters, 3 values" in caplog.text
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, value in model.named_parameters():
        torch.testing.assert_close(before[name] - value, torch.full_like(value, 0.125 if "lin2" in name else 0.5))


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"^lin_2": 0.5}, r"'\^lin_2' matches the name of no parameter that is trained; the nearest names are lin2"),
        ({"lin1.wieght|x": 0.5}, r"the nearest names are (lin1|again)\.weight"),
        ({"lin": 0.5, "bias": 2}, r"'lin' with 0\.5 and 'bias' with 2 both match (lin1|again)\.bias; expected one"),
    ],
)
def test_expressions_that_do_not_fit_the_model(factors: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        split(factors)


def test_parameters_that_are_not_trained_do_not_match() -> None:
    model = Tied().requires_grad_(False)
    model.lin1.requires_grad_(True)
    with pytest.raises(UserError, match="no parameter that is trained"):
        split_groups(torch.optim.Adam(model.parameters(), lr=0.1), model, {"lin2": 0.5})


@pytest.mark.parametrize(
    ("optim", "message"),
    [
        ({"lr_factors": {"(": 1}}, r"lr_factors: '\(' is not a regular expression"),
        ({"lr_factors": {3: 1}}, r"lr_factors: 3 is not a regular expression"),
        ({"lr_factors": {"lin": 0}}, r"lr_factors\.lin: got 0, expected a finite number, above 0"),
        ({"lr_factors": {"lin": "1e-1"}}, r"lr_factors\.lin: got '1e-1'.*write 1\.0e-3"),
        ({"lr_factors": {"lin": 1}, "max_lr": [1e-3, 1e-4]}, r"optim\.max_lr: got a list together with lr_factors"),
    ],
)
def test_blocks_that_are_not_valid(optim: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_factors(optim)


def test_blocks_that_are_valid() -> None:
    for optim in ({}, {"lr_factors": None}, {"lr_factors": {"lin": 3}, "max_lr": 1e-3}, {"max_lr": [1e-3, 1e-4]}):
        check_factors(optim)
    assert with_rates_of_groups({"max_lr": 1e-3}, [{"lr": 1.0}]) == {"max_lr": 1e-3}


SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 10}),
    ("CyclicLR", {"max_lr": 0.1, "base_lr": 0.01, "step_size_up": 3, "cycle_momentum": False}),
    ("ReduceLROnPlateau", {"patience": 1, "min_lr": 0.03}),
    ("CosineAnnealingLR", {"T_max": 10}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4}),
    ("PolynomialLR", {"total_iters": 10, "power": 2}),
    ("LinearLR", {}),
    ("ConstantLR", {}),
    ("StepLR", {"step_size": 3}),
    ("MultiStepLR", {"milestones": [2, 5]}),
    ("ExponentialLR", {"gamma": 0.7}),
    ("LambdaLR", {"lr_lambda": lambda step: 1 / (1 + step)}),
]


@pytest.mark.parametrize(("name", "arguments"), SCHEDULES, ids=[name for name, _ in SCHEDULES])
def test_rates_of_every_schedule(name: str, arguments: dict[str, Any]) -> None:
    """That of each group is its factor times the rate without factors, at each step."""
    _, optimizer = split({"lin1.bias": 0.25, "lin2": 3.0})
    factors = [group["lr_factor"] for group in optimizer.param_groups]
    assert factors == [1, 0.25, 3]
    plain = torch.optim.Adam(Tied().parameters(), lr=0.1)
    kind: Any = getattr(lr_scheduler, name)
    schedules = [kind(optimizer, **with_rates_of_groups(arguments, optimizer.param_groups)), kind(plain, **arguments)]
    seen = set()
    for _ in range(9):
        rate = plain.param_groups[0]["lr"]
        seen.add(rate)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([f * rate for f in factors])
        for each, schedule in zip((optimizer, plain), schedules, strict=True):
            each.step()
            schedule.step(*([1.0] if name == "ReduceLROnPlateau" else []))
    assert len(seen) > 1
