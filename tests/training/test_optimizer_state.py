"""The moments of an optimizer, brought over to one of other settings."""

from __future__ import annotations

import copy
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


def taken_by(name: str, **settings: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """States: of a checkpoint of Adam, and of another optimizer before and after it takes its moments."""
    net = model()
    optimizer = getattr(torch.optim, name)(net.parameters(), lr=0.01, **settings)
    checkpoint = trained("Adam")["optimizer"]
    before = copy.deepcopy(optimizer.state_dict())
    optimizer_state.take_moments(optimizer, checkpoint, "Adam", list(net.named_parameters()), ())
    return checkpoint, before, optimizer.state_dict()


@pytest.mark.parametrize(("name", "kept"), [("Adam", True), ("AdamW", True), ("RMSprop", False), ("Adagrad", False)])
def test_only_an_optimizer_of_the_same_moments_takes_them(name: str, kept: bool, caplog: pytest.LogCaptureFixture):
    checkpoint, untouched, found = taken_by(name)
    assert found["param_groups"] == untouched["param_groups"]
    expected = checkpoint["state"] if kept else untouched["state"]
    assert found["state"].keys() == expected.keys()
    for index, moments in expected.items():
        for key, value in moments.items():
            assert torch.equal(torch.as_tensor(found["state"][index][key]), torch.as_tensor(value))
    assert ("its moments start at zero" in caplog.text) is not kept


def test_amsgrad_keeps_one_moment_more(caplog: pytest.LogCaptureFixture):
    assert taken_by("Adam", amsgrad=True)[2]["state"] == {}
    assert "its moments start at zero" in caplog.text
