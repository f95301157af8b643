"""Terms of the loss, by hand: the Huber loss on every path of the forces, and weights that change in a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ocp_dc.fairchem1.train.losses import DELTA, HuberLoss, weight

from tests.helpers.loss_by_hand import ONE_STEP, scaled_errors
from tests.helpers.runs import run_main


def huber(error: np.ndarray, delta: float) -> float:
    """Return the mean loss, by the definition of Huber (1964)."""
    size = np.abs(error)
    return float(np.where(size <= delta, size**2 / 2, delta * (size - delta / 2)).mean())


@pytest.mark.parametrize("delta", [0.01, 0.1, 3.0])
def test_value_and_gradient(delta: float) -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    predicted = (target + torch.randn(7, 3, generator=generator, dtype=torch.float64)).requires_grad_()
    value = HuberLoss(delta)(predicted, target, torch.tensor([3, 4]))
    assert value.shape == (7, 3)
    assert value.mean().item() == pytest.approx(huber((predicted - target).detach().numpy(), delta), rel=1e-12)
    (gradient,) = torch.autograd.grad(value.sum(), predicted)
    torch.testing.assert_close(gradient, (predicted - target).detach().clamp(-delta, delta))


@pytest.mark.parametrize("dc", [None, {"accelerate": "native"}], ids=["stock", "native"])
def test_each_loss_of_a_run(
    tmp_path: Path, small_config: Callable[..., dict[str, Any]], ethanol: Path, dc: dict[str, Any] | None
) -> None:
    """One step over the whole set that changes no weight: the losses are those of the checkpoint, on scaled labels."""
    config = small_config(
        model={} if dc is None else {"dc": dc},
        loss_functions=[
            {"energy": {"fn": "huber", "coefficient": 2}},
            {"energy": {"fn": "mse", "coefficient": 3}},
            {"forces": {"fn": "huber", "coefficient": 30, "delta": 0.3}},
            {"forces": {"fn": "huber", "coefficient": 10, "delta": 0.02, "reduction": "sum"}},
            {"forces": {"fn": "l2norm", "coefficient": 50}},
            {"forces": {"fn": "mse", "coefficient": 20}},
        ],
        optim=ONE_STEP,
    )
    energy, forces, row = scaled_errors(tmp_path, config, ethanol)
    assert (np.abs(forces) < 0.3).any()  # the loss has two branches
    assert (np.abs(forces) > 0.3).any()
    expected = {
        "train_loss_energy": 2 * huber(energy, DELTA) + 3 * (energy**2).mean(),
        "train_loss_forces": 30 * huber(forces, 0.3)
        + 10 * huber(forces, 0.02) * forces.size
        + 50 * np.sqrt((forces**2).sum(axis=1)).mean()
        + 20 * (forces**2).mean(),
    }
    for name, value in expected.items():
        assert float(row[name]) == pytest.approx(value, rel=1e-4), name


def test_a_weight_is_geometric_between_its_ends() -> None:
    info = {"coefficient": 30, "final_coefficient": 3}
    assert [weight(info, progress) for progress in (0.0, 0.5, 1.0)] == [30, pytest.approx(30 / 10**0.5, rel=1e-12), 3]
    assert weight({**info, "final_coefficient": None}, 0.7) == 30
    assert weight({"coefficient": 30}, 0.7) == 30
    assert weight({"coefficient": 0.1, "final_coefficient": 0.7}, 1.0) == 0.7


def test_weights_of_a_run_of_its_validations_and_of_its_extension(
    tmp_path: Path, small_config: Callable[..., dict[str, Any]]
) -> None:
    """The model hardly changes, so that the losses show the weights."""
    losses = [
        {"energy": {"fn": "mae", "coefficient": 1, "final_coefficient": 16}},
        {"forces": {"fn": "mae", "coefficient": 30}},
        {"forces": {"fn": "mse", "coefficient": 30, "final_coefficient": None}},
    ]
    optim: dict[str, Any] = {"max_epochs": 5, "batch_size": 40, "lr_initial": 1.0e-12}
    run = run_main(tmp_path, small_config(loss_functions=losses, optim=optim))
    optim |= {"max_epochs": 7, "extension": {"after": 5}}
    config = small_config(loss_functions=losses, optim=optim)
    extended = run_main(tmp_path, config, "--checkpoint", str(run.checkpoint()))
    rows = extended.validations()
    assert rows[:5] == run.validations()
    weights = np.array([float(row["train_loss_energy"]) for row in rows])
    np.testing.assert_allclose(weights / weights[0], [1, 2, 4, 8, 16, 16, 16], rtol=1e-5)
    for name in ("loss", "train_loss_forces"):
        np.testing.assert_allclose([float(row[name]) for row in rows], float(rows[0][name]), rtol=1e-5)
    still = small_config(loss_functions=[{"energy": {"fn": "mae", "coefficient": 16}}, *losses[1:]], optim=optim)
    (row, *_) = run_main(tmp_path, still, "--seed", "0").validations()
    assert float(rows[0]["loss"]) == pytest.approx(float(row["loss"]), rel=1e-5)
