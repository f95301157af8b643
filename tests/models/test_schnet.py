"""SchNet without a host, and the functions of a distance that it is made of."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.models.pairs import unpaired
from ocp_dc.models.radial import cosine_envelope, first_order, gaussians
from ocp_dc.models.schnet import SchNet
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE, assert_close

from tests.helpers.model_checks import edge_graph

SMALL: dict[str, Any] = {"hidden_channels": 8, "num_filters": 6, "num_interactions": 2, "num_gaussians": 5}


def make(**changes: Any) -> SchNet:
    torch.manual_seed(0)
    return SchNet(**{**SMALL, "cutoff": 4.0, **changes})


def water() -> tuple[torch.Tensor, torch.Tensor, Any]:
    source, target = torch.where(~torch.eye(3, dtype=torch.bool))
    positions = torch.tensor([[0.1, 0.2, 0.3], [1.0, 0.4, 0.1], [-0.2, 1.1, 0.5]], dtype=torch.float64)
    return torch.tensor([8, 1, 1]), positions, edge_graph(source, target, 3)


def test_forces_are_central_differences() -> None:
    model, (numbers, positions, edges) = make().double(), water()
    graph = model.build_graph(edges)
    assert len(graph.first.source) == len(graph.source) == 3
    _, forces = model.energy_and_forces(numbers, positions, graph)
    step = torch.zeros_like(positions)
    step[1, 2] = 1e-5
    ends = [float(model.energy(numbers, positions + sign * step, graph).detach()) for sign in (1, -1)]
    relative, absolute = FINITE_DIFFERENCE
    assert float(forces[1, 2].detach()) == pytest.approx((ends[1] - ends[0]) / 2e-5, relative, absolute)


def test_pairs_are_an_option_of_layout_only() -> None:
    model, (numbers, positions, edges) = make().double(), water()
    for one, other in zip(
        model.energy_and_forces(numbers, positions, model.build_graph(edges)),
        model.energy_and_forces(numbers, positions, unpaired(edges)),
        strict=True,
    ):
        assert_close(one, other)


def test_readouts() -> None:
    numbers, positions, edges = water()
    energies = {}
    for readout in ("sum", "add", "mean"):
        model = make(readout=readout).double()
        energies[readout] = model.energy(numbers, positions, model.build_graph(edges))
    assert torch.equal(energies["sum"], energies["add"])
    assert_close(3 * energies["mean"], energies["sum"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readout": "men"}, r"readout.*men.*Did you mean 'mean'"),
        ({"cutoff": 0}, r"model\.cutoff"),
        ({"num_gaussians": 1}, r"model\.num_gaussians.*at least 2"),
        ({"hidden_channels": 1}, r"model\.hidden_channels.*at least 2"),
        ({"num_filters": 0}, r"model\.num_filters.*at least 1"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(**changes)


def test_unknown_elements_are_refused() -> None:
    make().check_elements(torch.tensor([1, 99]))
    make().check_elements(torch.tensor([], dtype=torch.int64))
    with pytest.raises(UserError, match="the elements 1 to 99, and the structures have element 100"):
        make().check_elements(torch.tensor([1, 100]))


def test_radial_functions_and_their_derivatives() -> None:
    distances = torch.tensor([0.3, 1.7, 3.9, 4.0], dtype=torch.float64, requires_grad=True)
    centers = torch.linspace(0.0, 4.0, 5, dtype=torch.float64)
    values, slopes = gaussians(distances, centers, -0.7)
    assert float(values[1, 2].detach()) == pytest.approx(2.718281828459045 ** (-0.7 * 0.3**2))
    for column in range(5):
        assert_close(torch.autograd.grad(values[:, column].sum(), distances, retain_graph=True)[0], slopes[:, column])
    envelope, slope = cosine_envelope(distances, 4.0)
    assert_close(torch.autograd.grad(envelope.sum(), distances)[0], slope)
    assert float(envelope[-1].detach()) == pytest.approx(0.0, abs=1e-15)


def test_first_order_form() -> None:
    """The values, slopes as their derivative, and gradients by both that a loss of the derivative has."""
    distances = torch.tensor([0.3, 1.7], requires_grad=True)
    values, slopes = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    form, literal = first_order(values, slopes, distances), values + (distances - distances.detach())[:, None] * slopes
    assert torch.equal(form, values)
    results = []
    for function in (form, literal):
        force = torch.autograd.grad(function.pow(3).sum(), distances, create_graph=True)[0]
        loss = force.square().sum() + function.square().sum()
        results.append((force, *torch.autograd.grad(loss, (values, slopes))))
    for one, other in zip(*results, strict=True):
        assert_close(one, other)


def test_needs_torch_alone() -> None:
    code = (
        "import sys, ocp_dc.models.schnet\n"
        "print(sorted({'ase', 'fairchem', 'numpy.linalg', 'torch_geometric', 'ocp_dc.fairchem1'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "fairchem" not in done.stdout
    assert "torch_geometric" not in done.stdout
