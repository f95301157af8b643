"""The optimizer step: gradients of parameters alone, fused optimizers, and averages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from fairchem.core.modules.exponential_moving_average import ExponentialMovingAverage

from ocp_dc.fairchem1.train.fit_scales import make_trainer
from ocp_dc.fairchem1.train.update import EqualAverage, ForeachAverage, ParameterLoss, with_fused_step

from tests.helpers.runs import run_main


def test_gradients_of_parameters_alone() -> None:
    """They are those of a full backward pass; a frozen parameter and the positions have none."""
    generator = torch.Generator().manual_seed(0)
    positions = torch.randn(4, 3, generator=generator, requires_grad=True)
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.SiLU(), torch.nn.Linear(5, 1))
    model[0].bias.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loss() -> torch.Tensor:
        energy = model(positions).sum()
        (gradient,) = torch.autograd.grad(energy, positions, create_graph=True)
        return energy + gradient.square().sum()

    loss().backward()
    assert positions.grad is not None
    expected = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    positions.grad = None
    ParameterLoss(loss(), optimizer).backward()
    assert positions.grad is None
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert (parameter.grad is None and gradient is None) or torch.equal(parameter.grad, gradient)


def test_the_trainer_leaves_positions_without_gradient(small_config: Callable[..., dict[str, Any]]) -> None:
    """The stock model, whose positions require a gradient for the forces."""
    trainer = make_trainer({**small_config(model={"name": "schnet"}), "seed": 0}, cpu=True)
    batch = next(iter(trainer.train_loader))
    trainer._backward(trainer._forward(batch)["forces"].square().sum())
    assert batch.pos.requires_grad
    assert batch.pos.grad is None
    # the bias of the energy has no gradient of forces
    assert {name for name, p in trainer.model.named_parameters() if p.grad is None} <= {"lin2.bias"}


@pytest.mark.parametrize(
    ("optim", "fused"),
    [
        ({}, True),
        ({"optimizer": "Adam"}, True),
        ({"optimizer": "SGD", "optimizer_params": {"momentum": 0.9}}, True),
        ({"optimizer": "Adam", "optimizer_params": {"fused": False}}, False),
        ({"optimizer": "Adam", "optimizer_params": {"foreach": True}}, None),
        ({"optimizer": "RMSprop"}, None),
    ],
)
def test_fused_unless_the_config_says_otherwise(optim: dict[str, Any], fused: bool | None) -> None:
    given = {key: dict(value) if isinstance(value, dict) else value for key, value in optim.items()}
    params = with_fused_step(optim).get("optimizer_params", {})
    assert params.get("fused") is fused
    assert optim == given
    assert params.items() >= given.get("optimizer_params", {}).items()


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_fused_step_is_the_step_to_rounding(name: str, dtype: torch.dtype) -> None:
    weights = []
    for fused in (False, True):
        generator = torch.Generator().manual_seed(1)
        weight = torch.nn.Parameter(torch.randn(50, generator=generator, dtype=dtype))
        options = with_fused_step({"optimizer": name})["optimizer_params"] | {"fused": fused}
        optimizer = getattr(torch.optim, name)([weight], lr=0.01, **options)
        for _ in range(10):
            weight.grad = torch.randn(50, generator=generator, dtype=dtype)
            optimizer.step()
        weights.append(weight.detach())
    torch.testing.assert_close(*weights, rtol=20 * torch.finfo(dtype).eps, atol=20 * torch.finfo(dtype).eps)


def test_a_run_goes_on_with_the_step_of_its_checkpoint(
    tmp_path: Any, small_config: Callable[..., dict[str, Any]]
) -> None:
    """A checkpoint of an unfused optimizer, as earlier versions and fairchem write them, and one of a fused one."""
    unfused = {"optimizer_params": {"fused": False}}
    old = run_main(tmp_path, small_config(optim={**unfused, "max_epochs": 1}))
    whole = run_main(tmp_path, small_config(optim=unfused)).load()["state_dict"]
    resumed = run_main(tmp_path, small_config(), "--checkpoint", str(old.checkpoint())).load()
    assert all(torch.equal(value, whole[name]) for name, value in resumed["state_dict"].items())
    new = run_main(tmp_path, small_config(optim={"max_epochs": 1}))
    assert [group["fused"] for group in new.load()["optimizer"]["param_groups"]] == [True]
    assert "optimizer_params" not in new.load()["config"]["optim"]


@pytest.mark.parametrize("decay", [0.999, 0.9, 0.3])
@pytest.mark.parametrize("counts", [False, True])
def test_averages_are_fairchems(decay: float, counts: bool) -> None:
    """To the last bit, or to rounding where most of an average comes from the latest weights."""
    generator = torch.Generator().manual_seed(2)
    weights = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((37, 5), (3,), ())]
    weights[1].requires_grad_(False)
    averages = [kind(weights, decay, use_num_updates=counts) for kind in (ExponentialMovingAverage, ForeachAverage)]
    for _ in range(5):
        with torch.no_grad():
            for weight in weights:
                weight.add_(torch.randn(weight.shape, generator=generator))
        for average in averages:
            average.update()
    theirs, ours = (average.shadow_params for average in averages)
    assert len(ours) == 2
    if decay > 0.5 and not counts:
        assert all(torch.equal(*pair) for pair in zip(theirs, ours, strict=True))
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_averages_of_another_precision_are_cast() -> None:
    weights = [torch.nn.Parameter(torch.ones(3))]
    average = ForeachAverage(weights, 0.9)
    average.load_state_dict({**average.state_dict(), "shadow_params": [torch.zeros(3, dtype=torch.float64)]})
    average.update()
    torch.testing.assert_close(average.shadow_params, [torch.full((3,), 0.1)])


def test_equal_averages() -> None:
    """The weights until the fourth step, then the mean since then; a copy goes on from any step."""
    generator = torch.Generator().manual_seed(3)
    weights = [torch.nn.Parameter(torch.zeros(2, 3)), torch.nn.Parameter(torch.zeros(()), requires_grad=False)]
    seen: list[torch.Tensor] = []
    average = EqualAverage(weights, lambda: len(seen) >= 4)
    for done in range(1, 9):
        with torch.no_grad():
            weights[0].copy_(torch.randn(2, 3, generator=generator))
        seen.append(weights[0].detach().clone().double())
        state = average.state_dict()
        average = EqualAverage(weights, lambda: len(seen) >= 4)
        average.load_state_dict(state)
        average.update()
        (found,) = average.shadow_params
        expected = seen[-1] if done < 4 else torch.stack(seen[3:]).mean(dim=0)
        torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-14)
        assert average.num_updates == max(0, done - 3)
    assert not torch.equal(weights[0].double(), found)


def test_equal_averages_of_many_steps() -> None:
    """Each changes them by 1e-10, which float32 does not see."""
    weights = [torch.nn.Parameter(torch.ones(1))]
    average = EqualAverage(weights, lambda: True)
    average.load_state_dict({**average.state_dict(), "num_updates": 10**7})
    with torch.no_grad():
        weights[0].add_(1e-3)
    for _ in range(100):
        average.update()
    assert float(average.shadow_params[0]) - 1 == pytest.approx(1e-3 * 100 / (10**7 + 100), rel=1e-3)


@pytest.mark.parametrize("equal_first", [True, False])
def test_averages_of_another_kind_start_again(equal_first: bool, caplog: pytest.LogCaptureFixture) -> None:
    weights = [torch.nn.Parameter(torch.ones(2))]
    kinds = [EqualAverage(weights, lambda: True), ForeachAverage(weights, 0.9)]
    saved, average = kinds if equal_first else reversed(kinds)
    saved.update()
    with torch.no_grad():
        weights[0].fill_(3.0)
    average.load_state_dict(saved.state_dict())
    assert average.shadow_params[0].tolist() == [3.0, 3.0]
    assert "are of another kind" in caplog.text
    average.update()
    assert average.shadow_params[0].tolist() == [3.0, 3.0]
    assert average.decay == (0.9 if equal_first else 0.0)
