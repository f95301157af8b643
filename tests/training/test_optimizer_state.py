"""The moments of an optimizer, brought over to one of other settings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ocp_dc.training import optimizer_state


def model() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


def trained(name: str, **settings: Any) -> dict[str, Any]:
    """A checkpoint after two steps of an optimizer."""
    net = model()
    optimizer = getattr(torch.optim, name)(net.parameters(), lr=0.1, **settings)
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.ones(4, 3)).square().sum().backward()
        optimizer.step()
    return {"optimizer": optimizer.state_dict(), "config": {"optim": {"optimizer": name}}}


def trainer_with(name: str, **settings: Any) -> SimpleNamespace:
    net = model()
    optimizer = getattr(torch.optim, name)(net.parameters(), lr=0.01, **settings)
    return SimpleNamespace(optimizer=optimizer, model=net, _unwrapped_model=net)


@pytest.mark.parametrize(("name", "kept"), [("Adam", True), ("AdamW", True), ("RMSprop", False), ("Adagrad", False)])
def test_only_an_optimizer_of_the_same_moments_takes_them(name: str, kept: bool, caplog: pytest.LogCaptureFixture):
    checkpoint, trainer = trained("Adam"), trainer_with(name)
    untouched = trainer.optimizer.state_dict()
    optimizer_state.load(trainer, checkpoint, keep_settings=True)
    found = trainer.optimizer.state_dict()
    assert found["param_groups"] == untouched["param_groups"]
    expected = checkpoint["optimizer"]["state"] if kept else untouched["state"]
    assert found["state"].keys() == expected.keys()
    for index, moments in expected.items():
        for key, value in moments.items():
            assert torch.equal(torch.as_tensor(found["state"][index][key]), torch.as_tensor(value))
    assert ("its moments start at zero" in caplog.text) is not kept


def test_amsgrad_keeps_one_moment_more(caplog: pytest.LogCaptureFixture):
    trainer = trainer_with("Adam", amsgrad=True)
    optimizer_state.load(trainer, trained("Adam"), keep_settings=True)
    assert trainer.optimizer.state_dict()["state"] == {}
    assert "its moments start at zero" in caplog.text


def test_without_keep_settings_the_checkpoints_count():
    checkpoint, trainer = trained("Adam", weight_decay=0.3), trainer_with("Adam")
    optimizer_state.load(trainer, checkpoint, keep_settings=False)
    assert (trainer.optimizer.param_groups[0]["lr"], trainer.optimizer.param_groups[0]["weight_decay"]) == (0.1, 0.3)
