"""Traces: flat inputs, sizes that stay symbols, and what autograd leaves in them."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from ocp_dc.models.compilation.flatten import flatten, rebuild
from ocp_dc.models.compilation.trace import BakedSizeError, trace
from ocp_dc.models.gemnet_t import GemNetT
from ocp_dc.testing.tolerances import assert_close

from tests.helpers.toy_potential import Toy, ToyGraph, toy_batch


def test_graphs_are_flattened_and_rebuilt() -> None:
    graph = toy_batch((3, 2))[2]
    tensors = flatten(graph)
    assert len(tensors) == 7
    assert tensors[0] is graph.edges.source
    assert tensors[6] is graph.weights
    other = rebuild(graph, [torch.add(tensor, 1) for tensor in tensors])
    assert isinstance(other, ToyGraph)
    assert torch.equal(other.edges.natoms, graph.edges.natoms + 1)
    with pytest.raises(TypeError, match="a graph holds int, expected tensors"):
        flatten([1][0])


def test_a_part_that_a_graph_lacks_is_no_input() -> None:
    graph = dataclasses.replace(toy_batch((3, 2))[2], weights=None)
    tensors = flatten(graph)
    assert len(tensors) == 6
    assert rebuild(graph, tensors) == graph


def test_a_trace_is_valid_for_other_sizes_and_weights() -> None:
    """Also for sizes that happen to be equal in the traced batch: 8 atoms of 8 features, in 2 molecules."""
    torch.manual_seed(0)
    model = Toy().double()
    traced = trace(model, *double(toy_batch((4, 4))))
    model.requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter))
    model.requires_grad_(True)
    numbers, positions, graph = double(toy_batch((5, 3, 6, 9)))
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    weights = [state[name] for name in traced.names]
    energy, forces = traced.module(*weights, numbers, positions, *flatten(graph))
    expected = model.energy_and_forces(numbers, positions, graph)
    assert_close(energy, expected[0])
    assert_close(forces, expected[1])
    parameters = [value for name, value in model.named_parameters() if name != "unused"]
    for one, other in zip(
        torch.autograd.grad(energy.sum() + forces.square().sum(), parameters),
        torch.autograd.grad(expected[0].sum() + expected[1].square().sum(), parameters),
        strict=True,
    ):
        assert_close(one, other)
    assert not [node for node in traced.module.graph.nodes if node.target is torch.ops.aten.detach.default]


def double(batch: tuple[Tensor, Tensor, ToyGraph]) -> tuple[Tensor, Tensor, ToyGraph]:
    numbers, positions, graph = batch
    tensors = [tensor.double() if tensor.is_floating_point() else tensor for tensor in flatten(graph)]
    return numbers, positions.double(), rebuild(graph, tensors)


def test_scale_factors_of_gemnet_are_inputs() -> None:
    """A factor that is fitted or loaded after the trace counts."""
    torch.manual_seed(0)
    model = GemNetT(3, 4, 1, 6, 6, 4, 4, 4, 4, 1, 1, 1, 1).double()
    numbers, positions, graph = double(toy_batch((4, 5)))
    batch = (numbers.clamp(min=1), positions, model.build_graph(graph.edges))
    traced = trace(model, *batch)
    before = model.energy_and_forces(*batch)[0]
    for name, factor in model.named_parameters():
        if name.endswith("scale_factor"):
            factor.data.fill_(0.7)
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    energy, forces = traced.module(*(state[name] for name in traced.names), *batch[:2], *flatten(batch[2]))
    expected = model.energy_and_forces(*batch)
    assert_close(energy, expected[0])
    assert_close(forces, expected[1])
    assert (energy - before).abs().max() > 1e-3 * before.abs().max()


def test_a_size_as_a_number_is_refused() -> None:
    class WithLength(Toy):
        def energy(self, numbers: Tensor, positions: Tensor, graph: ToyGraph, *, first_order: bool = False) -> Tensor:
            return super().energy(numbers, positions, graph, first_order=first_order) / len(positions)

    with pytest.raises(BakedSizeError, match=r"size 9 of input 1 only; len\(tensor\)"):
        trace(WithLength(), *toy_batch((4, 5)))


def test_the_potential_is_not_changed() -> None:
    model = Toy()
    before = repr(model)
    trace(model, *toy_batch((4, 5)))
    assert repr(model) == before
    assert all(parameter.grad is None for parameter in model.parameters())
