"""The losses are DeepXDE's own, and so are their gradients, with less work."""

from typing import Any

import pytest
import torch

from ocp_dc import pinn
from ocp_dc.pinn.deepxde.backend import dde
from ocp_dc.pinn.deepxde.setup import set_up
from ocp_dc.pinn.options import PinnOptions
from ocp_dc.pinn.physics.tasks import task_names
from ocp_dc.testing.tolerances import ROUNDING

SMALL: dict[str, Any] = {
    "data": {"size": 10, "times": 21},
    "network": {"hidden_layers": 2, "width": 8},
    "sampling": {"domain": 30, "boundary": 20, "initial": 10},
    "seed": 1,
}


def passes(setup, monkeypatch, stock):
    """The losses, the gradients, and how many points each pass through the network has."""
    data, sizes = setup.model.data, []
    with monkeypatch.context() as patched:
        if stock:
            patched.setattr(type(data), "losses", dde.data.TimePDE.losses)
        hook = setup.net.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
        _, losses = setup.model.outputs_losses_train(data.train_x, data.train_y, None)
        hook.remove()
    setup.net.zero_grad()
    losses.sum().backward()
    return losses.detach(), torch.cat([p.grad.flatten() for p in setup.net.parameters()]), sizes


@pytest.mark.parametrize("task", task_names())
@pytest.mark.parametrize("as_published", [False, True])
def test_losses_and_gradients_are_those_of_deepxde(task, as_published, monkeypatch):
    setup = set_up(PinnOptions.from_config(pinn.resolve({**SMALL, "task": task, "as_published": as_published})))
    torch.nn.init.constant_(setup.net.linears[-1].bias, 0.5)  # so that a final ReLU lets gradients pass
    relative, _ = ROUNDING[torch.float32]
    for _ in range(2):  # DeepXDE caches what it computes from points: the second pass reads it
        ours, gradient, sizes = passes(setup, monkeypatch, stock=False)
        theirs, expected, _ = passes(setup, monkeypatch, stock=True)
        torch.testing.assert_close(ours, theirs, rtol=relative, atol=0)
        assert (gradient - expected).norm() < relative * expected.norm()
    data = setup.model.data
    assert data.parts is data.parts  # DeepXDE's cache goes by their ids
    assert sorted(sizes[1:]) == sorted([*data.num_bcs, len(data.train_x_all)])


def test_batch_statistics_are_of_all_points(monkeypatch):
    config = {**SMALL, "task": "advection", "network": {**SMALL["network"], "batchnorm": "before"}}
    setup = set_up(PinnOptions.from_config(pinn.resolve(config)))
    _, _, sizes = passes(setup, monkeypatch, stock=False)
    assert sizes == [len(setup.model.data.train_x)]
