"""The coefficient of IReLU before a linear layer, under Adam: the initial scale and the learning rate of that layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ocp_dc.nn import IReLU

RATE, STEPS = 1e-2, 20


def network(coefficient: float, bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    output = nn.Linear(8, 1, bias=bias)
    return nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.Linear(16, 8), IReLU(coefficient), output).double()


def trained_energies(model: nn.Sequential, rate_of_last: float, scale: float = 1.0) -> torch.Tensor:
    """Fit energies and forces divided by ``scale`` for a few steps; return the energies at the end."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(32, 3, generator=generator, dtype=torch.float64).requires_grad_()
    energies, forces = x.detach().sin().sum(dim=1) / scale, -x.detach().cos() / scale
    last = model[-1].weight
    others = [p for p in model.parameters() if p is not last]
    groups = [{"params": others}, {"params": [last], "lr": RATE * rate_of_last}]
    optimizer = torch.optim.Adam(groups, lr=RATE, eps=1e-30)  # its usual eps depends on the size of gradients
    for _ in range(STEPS):
        predicted = model(x)[:, 0]
        gradient = torch.autograd.grad(predicted.sum(), x, create_graph=True)[0]
        loss = (predicted - energies).abs().mean() + 30 * (-gradient - forces).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model(x)[:, 0].detach() * scale


@pytest.mark.parametrize("coefficient", [0.125, 0.25, 0.5])
def test_a_coefficient_is_the_initial_scale_and_the_rate_of_the_next_weights(coefficient):
    plain = network(1.0)
    with torch.no_grad():
        plain[-1].weight *= coefficient
    expected = trained_energies(network(coefficient), 1.0)
    torch.testing.assert_close(trained_energies(plain, coefficient), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("coefficient", [0.125, 0.25, 0.5])
def test_a_higher_rate_of_the_next_weights_leaves_the_initial_scale(coefficient):
    plain = network(1.0)
    with torch.no_grad():
        plain[-1].weight *= coefficient
    expected = trained_energies(plain, 1.0)
    got = trained_energies(network(coefficient), 1 / coefficient)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("scale", [0.04, 0.5, 4.0])
def test_a_scale_of_the_labels_is_a_coefficient(scale):
    # without a bias after it, which a scale moves too; the first values differ by 1 ulp, and errors grow with each step
    expected = trained_energies(network(0.25 * scale, bias=False), 1.0)
    torch.testing.assert_close(trained_energies(network(0.25, bias=False), 1.0, scale), expected, rtol=1e-9, atol=0)


def test_neither_part_alone_is_the_coefficient():
    whole = trained_energies(network(0.25), 1.0)
    assert not torch.allclose(trained_energies(network(1.0), 0.25), whole, rtol=1e-2)
    assert not torch.allclose(trained_energies(network(0.25), 4.0), whole, rtol=1e-2)
