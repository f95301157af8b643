"""Potentials as functions of numbers, positions and a graph, without a host."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ocp_dc.core.errors import UserError
from ocp_dc.models.cgcnn import CGCNN
from ocp_dc.models.forcenet import ForceNet
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.potential import Potential
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE, assert_close

FEATURES = {1: [1.0, 0.0, 2.0], 6: [0.0, 1.0, -1.0], 8: [0.5, 0.5, 0.0]}
RADII = {1: [0.3], 6: [0.7], 8: [0.6]}
SMALL: dict[str, dict[str, Any]] = {
    "cgcnn": {"atom_embedding_size": 8, "num_graph_conv_layers": 2, "fc_feat_size": 8, "num_fc_layers": 2},
    "forcenet": {"hidden_channels": 8, "num_interactions": 2, "num_freqs": 6, "decoder_hidden_channels": 8},
}


def make(name: str, **changes: Any) -> Potential[EdgeGraph]:
    torch.manual_seed(0)
    if name == "cgcnn":
        return CGCNN(FEATURES, **{**SMALL[name], "num_gaussians": 12, **changes})
    return ForceNet(RADII, FEATURES, **{**SMALL[name], **changes})


def structures() -> tuple[Tensor, Tensor, EdgeGraph]:
    """Two molecules of four and three atoms, with edges between all atoms of each."""
    torch.manual_seed(1)
    batch = torch.tensor([0, 0, 0, 0, 1, 1, 1])
    numbers, positions = torch.tensor([1, 6, 8, 1, 8, 1, 1]), 2 * torch.randn(7, 3, dtype=torch.float64)
    source, target = torch.where((batch[:, None] == batch) & ~torch.eye(7, dtype=torch.bool))
    offsets, images = torch.zeros(len(source), 3, dtype=torch.float64), torch.zeros(len(source), 3, dtype=torch.int64)
    return numbers, positions, EdgeGraph(source, target, offsets, images, batch, torch.tensor([4, 3]))


@pytest.mark.parametrize("name", SMALL)
def test_forces_are_central_differences_of_the_energy(name: str) -> None:
    model = make(name).double().eval()
    numbers, positions, graph = structures()
    energy, forces = model.energy_and_forces(numbers, positions, graph)
    assert energy.shape == (2, 1)
    assert_close(energy, model.energy(numbers, positions, graph))
    assert not positions.requires_grad
    step = torch.zeros_like(positions)
    for atom, axis in ((0, 0), (3, 1), (6, 2)):
        step.zero_()[atom, axis] = 1e-5
        ends = [model.energy(numbers, positions + sign * step, graph).sum() for sign in (1, -1)]
        relative, absolute = FINITE_DIFFERENCE
        assert forces[atom, axis].item() == pytest.approx(
            -(ends[0] - ends[1]).item() / 2e-5, rel=relative, abs=absolute
        )


@pytest.mark.parametrize("name", SMALL)
def test_forces_can_be_differentiated_where_gradients_are_enabled(name: str) -> None:
    model = make(name).double().eval()
    _, forces = model.energy_and_forces(*structures())
    forces.square().sum().backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
    with torch.no_grad():
        assert not model.energy_and_forces(*structures())[1].requires_grad


def test_direct_forces_come_from_a_decoder() -> None:
    model = make("forcenet", direct_forces=True).double().eval()
    assert isinstance(model, ForceNet)
    numbers, positions, graph = structures()
    energy, forces = model.energy_and_forces(numbers, positions, graph)
    x = model.atoms(numbers, positions, graph)
    assert torch.equal(forces, model.decoder(x))
    assert_close(energy, make("forcenet").double().eval().energy(numbers, positions, graph))


def test_unknown_elements_are_refused() -> None:
    with pytest.raises(UserError, match="for He, Fe;"):
        make("cgcnn").check_elements(torch.tensor([1, 2, 26]))
    make("forcenet").check_elements(torch.tensor([1, 6, 8]))


class Pairs(Potential[tuple[Tensor, Tensor]]):
    """A model with a graph of another kind, of which no element is unknown: half a spring for each edge."""

    def __init__(self) -> None:
        super().__init__()
        self.regress_forces = True
        self.stiffness = nn.Parameter(torch.tensor(3.0, dtype=torch.float64))

    def build_graph(self, edges: EdgeGraph) -> tuple[Tensor, Tensor]:
        return edges.source, edges.target

    def energy(
        self, numbers: Tensor, positions: Tensor, graph: tuple[Tensor, Tensor], *, first_order: bool = False
    ) -> Tensor:
        source, target = graph
        return (self.stiffness / 4 * (positions[source] - positions[target]).square().sum()).view(1, 1)


def test_a_graph_of_another_kind() -> None:
    """A spring of stiffness 3 between two atoms: E = 3/2 r^2."""
    model, positions = Pairs(), torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]], dtype=torch.float64)
    model.check_elements(torch.tensor([118, 118]))
    energy, forces = model.energy_and_forces(torch.ones(2), positions, (torch.tensor([0, 1]), torch.tensor([1, 0])))
    assert energy.tolist() == [[6.0]]
    assert forces.tolist() == [[6.0, 0.0, 0.0], [-6.0, 0.0, 0.0]]


def test_needs_torch_alone() -> None:
    code = (
        "import sys, ocp_dc.models.cgcnn, ocp_dc.models.forcenet\n"
        "print(sorted({'ase', 'fairchem', 'torch_geometric', 'ocp_dc.fairchem1'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
