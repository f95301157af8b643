"""Traces: flat inputs, sizes that stay symbols, and what autograd leaves in them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ocp_dc.models.compilation.flatten import flatten, rebuild
from ocp_dc.models.compilation.trace import BakedSizeError, trace
from ocp_dc.models.dimenetplusplus import DimeNetPlusPlus
from ocp_dc.models.painn import PaiNN
from ocp_dc.nn import IReLU
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


@pytest.mark.parametrize(
    "activation",
    [None, nn.Sequential(nn.LayerNorm(8), IReLU()), nn.Sequential(nn.GroupNorm(2, 8), nn.Mish())],
    ids=["plain", "LayerNorm", "GroupNorm"],
)
def test_a_trace_is_valid_for_other_sizes_and_weights(activation: nn.Module | None) -> None:
    """Also for sizes that happen to be equal in the traced batch: 8 atoms of 8 features, in 2 molecules."""
    torch.manual_seed(0)
    model = Toy(activation).double()
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


def test_sizes_that_are_equal_get_one_symbol() -> None:
    """Otherwise the conditions on the backward pass name a tensor that it lacks, and its code is never reused."""
    torch.manual_seed(0)
    model = DimeNetPlusPlus(True, 8, 1, 4, 4, 8, 3, 3, cutoff=9.0)
    numbers, positions, graph = toy_batch((4, 5))
    batch = (numbers, positions, model.build_graph(graph.edges))
    traced = trace(model, *batch)
    triplets = traced.inputs[len(traced.names) :][2:]  # the tensors of the graph
    shapes: list[Any] = [tensor.shape for tensor in triplets[6:9]]
    incoming, outgoing, pairs = ([traced.shapes.replace(size.node.expr) for size in shape] for shape in shapes)
    assert pairs == [*incoming, outgoing[1]]


def test_a_trace_of_painn() -> None:
    """Its sums over pairs are plain operations in a trace, which can be differentiated once more."""
    torch.manual_seed(0)
    model = PaiNN(hidden_channels=6, num_layers=2, num_rbf=4, cutoff=9.0).double()
    numbers, positions, graph = double(toy_batch((4, 5)))
    batch = (numbers, positions, model.build_graph(graph.edges))
    traced = trace(model, *batch)
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    found = traced.module(*(state[name] for name in traced.names), *batch[:2], *flatten(batch[2]))
    expected = model.energy_and_forces(*batch)
    parameters = [value for name, value in model.named_parameters() if "scale" not in name]
    gradients = [
        torch.autograd.grad(energy.square().sum() + forces.square().sum(), parameters, allow_unused=True)
        for energy, forces in (found, expected)
    ]
    for one, other in zip((*found, *gradients[0]), (*expected, *gradients[1]), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert_close(one, other)


def double(batch: tuple[Tensor, Tensor, ToyGraph]) -> tuple[Tensor, Tensor, ToyGraph]:
    numbers, positions, graph = batch
    tensors = [tensor.double() if tensor.is_floating_point() else tensor for tensor in flatten(graph)]
    return numbers, positions.double(), rebuild(graph, tensors)


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
