"""The energies of atoms and their derivative by the edges, as one graph of tensor operations for TorchScript."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from ocp_dc.interfaces.graph_tables import TABLES, UnpairedTables
from ocp_dc.models.compilation.flatten import flatten, rebuild
from ocp_dc.models.compilation.trace import check_sizes, symbolic_inputs, traceable_copy
from ocp_dc.models.graph import EdgeGraph, graph_of_atoms
from ocp_dc.models.pairs import PairGraph
from ocp_dc.models.potential import Potential

ATOMS = 7  # of the example
OFFSETS = 2  # the place of the edge vectors among the tensors of a graph, whose first ones are those of the edges


def trace_atoms(potential: Potential[Any]) -> GraphModule:
    """Return a function of a list of tensors that TorchScript can compile.

    The tensors are: numbers int64 [N], weights [N], then those of the graph, whose offsets are the vectors of the
    edges, and in which each atom is a structure by itself. The function returns the energies of the atoms, [N], and the
    derivative of their weighted sum by the vectors, [P, 3]. It is computed in the first-order form of the potential.

    Args:
        potential: the potential, whose energy is a sum over the atoms; in eval mode.

    Raises:
        BakedSizeError: the code of the potential turns a size of the example into a number.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    from ocp_dc.nn.traced import tracing

    graph, example = _example(potential)
    copied = traceable_copy(potential)

    def atoms(*flat: Tensor) -> tuple[Tensor, Tensor]:
        numbers, weights, *tensors = flat
        with torch.enable_grad():
            vectors = tensors[OFFSETS].detach().requires_grad_()
            tensors[OFFSETS] = vectors
            positions = vectors.new_zeros(numbers.shape[0], 3)
            energies = copied.energy(numbers, positions, rebuild(graph, tensors), first_order=True)[:, 0]
            gradient = torch.autograd.grad((energies * weights).sum(), vectors)[0]
        return energies.detach(), gradient

    with torch.no_grad():
        atoms(*example)  # constants that a model computes once and keeps
        inputs, shapes = symbolic_inputs([], example, vectors=2 + OFFSETS)
        with tracing():
            traced = make_fx(atoms, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*inputs)
    check_sizes(inputs, shapes)
    return _for_torchscript(traced)


def tables_of(name: str, potential: Any) -> nn.Module:
    """Return the module that makes the graph of a potential from edges."""
    graph = potential.build_graph(_edges())
    if isinstance(graph, PairGraph) and not len(graph.source):
        return UnpairedTables()
    return TABLES[name]()


def _example(potential: Potential[Any]) -> tuple[Any, list[Tensor]]:
    dtype = next(potential.parameters()).dtype
    graph = graph_of_atoms(potential.build_graph(_edges(dtype)))
    numbers, weights = torch.full((ATOMS,), 6), torch.ones(ATOMS, dtype=dtype)
    return graph, [numbers, weights, *flatten(graph)]


def _edges(dtype: torch.dtype = torch.float32) -> EdgeGraph:
    """Return edges between all atoms of a helix."""
    turns = torch.arange(ATOMS, dtype=dtype)
    points = torch.stack([torch.cos(turns), torch.sin(turns), 0.4 * turns], dim=1)
    source, target = (~torch.eye(ATOMS, dtype=torch.bool)).nonzero().T.contiguous()
    return EdgeGraph(
        source=source,
        target=target,
        offsets=points[source] - points[target],
        images=torch.zeros(len(source), 3, dtype=torch.int64),
        batch=torch.zeros(ATOMS, dtype=torch.int64),
        natoms=torch.tensor([ATOMS]),
    )


def _for_torchscript(traced: GraphModule) -> GraphModule:
    """Rewrite a graph for TorchScript: one list as input, constants as buffers, no device of the example."""
    graph = traced.graph
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    with graph.inserting_before(placeholders[0]):
        inputs = graph.placeholder("inputs", type_expr=list[Tensor])
    with graph.inserting_after(placeholders[-1]):
        device = graph.call_function(getattr, (placeholders[0], "device"))
    last = inputs
    for place, node in enumerate(placeholders):
        with graph.inserting_after(last):
            last = graph.call_function(operator.getitem, (inputs, place))
        node.replace_all_uses_with(last)
    for node in placeholders:
        graph.erase_node(node)
    for node in graph.nodes:
        if isinstance(node.kwargs.get("device"), torch.device):
            node.kwargs = {**node.kwargs, "device": device}
        if isinstance(node.target, torch._ops.OpOverload):
            node.target = node.target.overloadpacket  # TorchScript chooses the overload
        if node.op == "get_attr" and isinstance(value := getattr(traced, node.target), Tensor):
            delattr(traced, node.target)
            traced.register_buffer(node.target, value.detach().clone())
    graph.eliminate_dead_code()
    graph.lint()
    traced.recompile()
    return traced
