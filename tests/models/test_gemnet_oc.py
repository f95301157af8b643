"""GemNet-OC without a host."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ocp_dc.core.errors import UserError
from ocp_dc.models.compilation.flatten import flatten
from ocp_dc.models.compilation.trace import trace
from ocp_dc.models.gemnet_oc import GemNetOC
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE

ARGUMENTS: dict[str, Any] = {
    **{"num_spherical": 3, "num_radial": 5, "num_blocks": 1, "emb_size_atom": 6, "emb_size_edge": 8},
    **{"emb_size_trip_in": 4, "emb_size_trip_out": 5, "emb_size_quad_in": 3, "emb_size_quad_out": 4},
    **{"emb_size_aint_in": 4, "emb_size_aint_out": 5, "emb_size_rbf": 4, "emb_size_cbf": 3, "emb_size_sbf": 2},
    **{"num_before_skip": 1, "num_after_skip": 1, "num_concat": 1, "num_atom": 1, "num_output_afteratom": 1},
    **{"num_global_out_layers": 1, "cutoff": 5.0, "cutoff_qint": 4.0, "sbf": {"name": "legendre_outer"}},
    **{"quad_interaction": True, "atom_edge_interaction": True, "edge_atom_interaction": True},
    "atom_interaction": True,
}


def make(**changes: Any) -> GemNetOC:
    torch.manual_seed(0)
    return GemNetOC(**{**ARGUMENTS, **changes}).double()


def structures(*sizes: int) -> tuple[Tensor, Tensor, EdgeGraph]:
    """Molecules with edges between all atoms of each."""
    torch.manual_seed(1)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    numbers, positions = torch.randint(1, 9, batch.shape), 1.2 * torch.randn(len(batch), 3, dtype=torch.float64)
    target, source = torch.where((batch[:, None] == batch) & ~torch.eye(len(batch), dtype=torch.bool))
    offsets, images = torch.zeros(len(source), 3, dtype=torch.float64), torch.zeros(len(source), 3, dtype=torch.int64)
    return numbers, positions, EdgeGraph(source, target, offsets, images, batch, torch.tensor(sizes))


@pytest.mark.parametrize("sbf", ["legendre_outer", "spherical_harmonics", "gaussian_outer"])
def test_forces_are_central_differences_of_the_energy(sbf: str) -> None:
    model = make(sbf={"name": sbf})
    numbers, positions, edges = structures(4, 1, 5)
    graph = model.build_graph(edges)
    energy, forces = model.energy_and_forces(numbers, positions, graph)
    assert energy.shape == (3, 1)
    assert not forces[4].any()  # an atom alone
    relative, absolute = FINITE_DIFFERENCE
    for atom, axis in ((0, 0), (3, 1), (6, 2)):
        step = torch.zeros_like(positions)
        step[atom, axis] = 1e-5
        ends = [model.energy(numbers, positions + sign * step, graph).sum() for sign in (1, -1)]
        expected = -(ends[0] - ends[1]).item() / 2e-5
        assert forces[atom, axis].item() == pytest.approx(expected, rel=relative, abs=absolute)


def test_rotations_permutations_and_batches() -> None:
    """The energy of a structure does not depend on its orientation, on the order of its atoms, or on its batch."""
    model = make()
    numbers, positions, edges = structures(4, 5)
    energy, forces = model.energy_and_forces(numbers, positions, model.build_graph(edges))
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    turned = model.energy_and_forces(numbers, positions @ rotation, model.build_graph(edges))
    torch.testing.assert_close(turned, (energy, forces @ rotation), rtol=1e-10, atol=1e-11)
    order = torch.tensor([8, 6, 7, 5, 4])
    _, _, alone = structures(5)
    single = model.energy_and_forces(numbers[order], positions[order], model.build_graph(alone))
    torch.testing.assert_close(single, (energy[1:], forces[order]), rtol=1e-10, atol=1e-11)


def test_an_intensive_energy_is_the_mean() -> None:
    numbers, positions, edges = structures(4, 1, 3)
    totals, means = (
        model.energy(numbers, positions, model.build_graph(edges)) for model in (make(), make(extensive=False))
    )
    torch.testing.assert_close(means, totals / edges.natoms[:, None])


def test_a_scale_factor_of_1_is_an_unfitted_one() -> None:
    numbers, positions, edges = structures(5)
    model = make(scale_basis=True)
    graph = model.build_graph(edges)
    unfitted = model.energy(numbers, positions, graph)
    factors = {name: value for name, value in model.named_parameters() if name.endswith("scale_factor")}
    # of the interactions 2 + 3 + 2 + 2 + 1, of the update and of the two outputs, and of the bases: radial, shared,
    # inner, atoms and edges twice, atoms; of angles four circular and one spherical
    assert len(factors) == 10 + 1 + 2 + 6 + 5
    for value in factors.values():
        value.data.fill_(1.0)
    assert torch.equal(model.energy(numbers, positions, graph), unfitted)
    for name, value in factors.items():
        value.data.fill_(1.5)
        assert not torch.equal(model.energy(numbers, positions, graph), unfitted), name
        value.data.fill_(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("quad_interaction", [True, False])
def test_a_trace_is_valid_for_other_sizes(quad_interaction: bool) -> None:
    model = make(quad_interaction=quad_interaction)
    numbers, positions, edges = structures(4, 5)
    traced = trace(model, numbers, positions, model.build_graph(edges))
    numbers, positions, edges = structures(6, 3, 4)
    graph = model.build_graph(edges)
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    found = traced.module(*(state[name] for name in traced.names), numbers, positions, *flatten(graph))
    expected = model.energy_and_forces(numbers, positions, graph)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-11)
    parameters = [value for value in model.parameters() if value.requires_grad]
    gradients = [
        torch.autograd.grad(energy.sum() + forces.square().sum(), parameters) for energy, forces in (found, expected)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-11)


def test_refused_arguments() -> None:
    for changes, message in (
        ({"num_blocks": 0}, r"num_blocks"),
        ({"activation": "silo"}, r"activation: got 'silo', .* Did you mean 'silu'\?"),
        ({"output_init": "gird"}, r"output_init: got 'gird', expected one of .* Did you mean 'grid'\?"),
        ({"sbf": {"name": "legendre"}}, r"sbf.name: got 'legendre', expected one of spherical_harmonics, .*"),
        ({"cutoff_aint": 4.0}, r"cutoff_aint: got 4.0, expected at least the other cutoffs, 5.0 Å"),
    ):
        with pytest.raises(UserError, match=message):
            make(**changes)


def test_an_unknown_element() -> None:
    model = make(num_elements=8)
    model.check_elements(torch.tensor([1, 8]))
    with pytest.raises(UserError, match=r"no features for Fe; raise model.num_elements, which is 8"):
        model.check_elements(torch.tensor([1, 26]))
