"""Training steps of native backbones: compiled, averaged, and with DistributedDataParallel."""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fairchem.core.models.base import HydraModel
from torch import Tensor
from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from ocp_dc.fairchem2.backbones.native import native_backbone
from ocp_dc.training import acceleration
from ocp_dc.training.acceleration import AccelerationChoice

from tests.helpers import small_backbones
from tests.helpers.atomic_batches import batch_of, bulk, ethanol
from tests.helpers.compile_cache import compile_cache
from tests.helpers.small_backbones import CGCNN, DIRECT_FORCENET, HEADS, SCHNET, small_model

EVERY = {name: value for name, value in vars(small_backbones).items() if isinstance(value, dict) and "model" in value}


def loss_of(model: Any, index: int = 0) -> Tensor:
    out = model(batch_of([ethanol(index), ethanol(index + 1), bulk()], torch.float32))
    return out["energy"]["energy"].square().mean() + 30 * out["forces"]["forces"].square().mean()


def choose(model: Any) -> None:
    """Let the choice of a run of one step decide."""
    state: Any = types.SimpleNamespace(bare_model=model, step=0, scaler=None, compiled=None)
    AccelerationChoice(1, native_backbone, logs=True).start(state)


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    store = f"file://{tmp_path_factory.mktemp('group') / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("name", sorted(EVERY))
def test_steps_with_distributed_data_parallel(name: str, one_rank: None) -> None:
    """Which fails at the second step if a parameter has no gradient."""
    model = small_model(EVERY[name]).train()
    wrapped = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    for index in range(3):
        optimizer.zero_grad()
        loss_of(wrapped, index).backward()
        optimizer.step()


@pytest.mark.parametrize("name", sorted(EVERY))
def test_states_of_distributed_checkpoints(name: str, one_rank: None) -> None:
    """Weights and averages go through torch's functions as fairchem's unit calls them when it resumes."""
    saved, other = (AveragedModel(DistributedDataParallel(small_model(EVERY[name]))) for _ in range(2))
    with torch.no_grad():
        for parameter in saved.parameters():
            parameter.add_(1.0)
    for model, into in ((saved.module, other.module), (saved, other)):
        state = get_model_state_dict(model)
        set_model_state_dict(into, model_state_dict=state)
        into.load_state_dict(state)
    assert all(torch.equal(one, two) for one, two in zip(saved.parameters(), other.parameters(), strict=True))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with compile_cache(tmp_path_factory.mktemp("cache")) as folder:
        yield folder


@pytest.mark.slow
def test_a_compiled_model(cache: Path) -> None:
    """Its gradients are those of the eager model; copies are eager, and second derivatives remain."""
    compiled, eager = (
        small_model(SCHNET, accelerate, num_interactions=1).train() for accelerate in ("compile", "native")
    )
    choose(compiled)
    losses = [loss_of(compiled), loss_of(eager)]
    assert compiled.backbone.accelerator.is_compiled
    assert not eager.backbone.accelerator.is_compiled
    torch.testing.assert_close(*losses, rtol=1e-5, atol=0.0)
    for loss in losses:
        loss.backward()
    for (name, one), other in zip(compiled.named_parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0.0, atol=1e-5 * float(other.grad.abs().max()), msg=name)
    for each in (copy.deepcopy(compiled), AveragedModel(compiled).module):
        assert not each.backbone.accelerator.is_compiled
        torch.testing.assert_close(loss_of(each), losses[1], rtol=1e-5, atol=0.0)
    batch = batch_of([ethanol()], torch.float32)
    batch.pos.requires_grad_()
    assert torch.autograd.grad(compiled(batch)["forces"]["forces"][0, 0], batch.pos)[0].any()
    with torch.no_grad():
        assert not loss_of(compiled.eval()).requires_grad


@pytest.mark.parametrize(
    ("backbone", "changes", "expected"),
    [
        (SCHNET, {"regress_stress": True}, "it predicts the stress"),
        (SCHNET, {"regress_forces": False}, "it predicts no forces that are the gradient of the energy"),
        (DIRECT_FORCENET, {}, "it predicts no forces that are the gradient of the energy"),
        (CGCNN, {}, "convs.0.bn1 is a BatchNorm1d, which updates running statistics"),
    ],
    ids=["stress", "energies", "direct forces", "norms"],
)
def test_what_is_not_compiled(
    backbone: dict[str, Any],
    changes: dict[str, Any],
    expected: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acceleration, "machine_reason", lambda device: None)
    model = small_model(backbone, "compile", **changes)
    choose(model)
    assert not model.backbone.accelerator._enabled
    assert caplog.messages == [f"dc.accelerate: compile: the model is not compiled: {expected}"]


@pytest.mark.parametrize("accelerate", ["off", "native"])
def test_eager_where_it_is_asked_for(accelerate: str, caplog: pytest.LogCaptureFixture) -> None:
    model = small_model(SCHNET, accelerate)
    choose(model)
    assert not model.backbone.accelerator._enabled
    assert caplog.messages == []


def test_without_a_block_nothing_is_compiled() -> None:
    assert HydraModel(backbone={"model": SCHNET["model"]}, heads=HEADS).backbone.acceleration == "off"
