"""Trace the energy and forces of a potential into a graph of tensor operations.

The traced function takes parameters, buffers, numbers, positions and the tensors of the graph as flat inputs. It calls
``energy`` in its first-order form and differentiates it by the positions, so that one further differentiation, by the
parameters, is left for a loss.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from ocp_dc.models.compilation.flatten import flatten, rebuild
from ocp_dc.models.potential import Potential
from ocp_dc.nn import IReLU
from ocp_dc.nn.traced import tracing


class BakedSizeError(RuntimeError):
    """The code of a potential turned a size of the batch into a number, so that its trace is valid for that only."""


@dataclasses.dataclass(frozen=True)
class Trace:
    """The traced energy and forces of a potential.

    Args:
        module: the function: flat inputs -> energy [B, 1] and forces [N, 3].
        inputs: its inputs without data, with symbols for the sizes of a batch.
        names: the names of parameters and buffers, the first inputs.
        shapes: what is known of the symbols, torch's ShapeEnv.
    """

    module: GraphModule
    inputs: list[Tensor]
    names: tuple[str, ...]
    shapes: Any


def trace(potential: Potential[Any], numbers: Tensor, positions: Tensor, graph: Any) -> Trace:
    """Trace energy and forces on a copy of a potential.

    Each size of a batch gets a symbol, except sizes of 0 and 1, which are fixed, and the three components of a
    position.

    Args:
        potential: the potential; it is not changed.
        numbers: int64 [N], of an example batch.
        positions: [N, 3], of the batch.
        graph: its graph.

    Raises:
        BakedSizeError: a size of the batch is a number in the trace, such as after ``len(tensor)``.
    """
    from torch._decomp import core_aten_decompositions, get_decompositions
    from torch.fx.experimental.proxy_tensor import make_fx

    with torch.no_grad():  # constants that a model computes once and keeps: under the trace they would be symbols
        potential.energy(numbers, positions.detach(), graph, first_order=True)
    copied = traceable_copy(potential)
    state = {**dict(copied.named_parameters()), **dict(copied.named_buffers())}
    inputs, shapes = symbolic_inputs([*state.values()], [numbers, positions, *flatten(graph)])
    count = len(state)

    def energy_and_forces(*flat: Tensor) -> tuple[Tensor, Tensor]:
        numbers, positions, *tensors = flat[count:]
        with torch.enable_grad():
            positions = positions.detach().requires_grad_()
            arguments = (numbers, positions, rebuild(graph, tensors))
            weights = {f"potential.{name}": value for name, value in zip(state, flat[:count], strict=True)}
            energy = torch.func.functional_call(_FirstOrderEnergy(copied), weights, arguments)
            gradient = torch.autograd.grad(energy.sum(), positions, create_graph=True)[0]
        return energy, -gradient

    # They make an alias of ``detach``, which autograd applies to the tensors that it saves; it would cut the
    # differentiation by the parameters. The models themselves detach functions of the positions only.
    decompositions = dict(core_aten_decompositions().items())
    # Its derivative uses the means and deviations that it returns, which torch treats as constants.
    decompositions |= get_decompositions([torch.ops.aten.native_layer_norm])
    with tracing():
        module = make_fx(energy_and_forces, tracing_mode="symbolic", decomposition_table=decompositions)(*inputs)
    check_sizes(inputs[count:], shapes)
    return Trace(module, inputs, tuple(state), shapes)


class _FirstOrderEnergy(nn.Module):
    """The energy as a forward pass, whose parameters can be replaced."""

    def __init__(self, potential: Potential[Any]) -> None:
        super().__init__()
        self.potential = potential

    def forward(self, numbers: Tensor, positions: Tensor, graph: Any) -> Tensor:
        return self.potential.energy(numbers, positions, graph, first_order=True)


class _PlainIReLU(IReLU):
    """IReLU in plain operations, which can be differentiated after tracing; the original works in place."""

    def forward(self, x: Tensor) -> Tensor:
        return self.coefficient * torch.relu(x).square()


def traceable_copy(potential: Potential[Any]) -> Potential[Any]:
    """Return a copy of a potential whose operations can be differentiated after tracing."""
    copied = copy.deepcopy(potential)
    for part in copied.modules():
        if type(part) is IReLU:
            part.__class__ = _PlainIReLU
    return copied


def symbolic_inputs(weights: list[Tensor], batch: list[Tensor], vectors: int = 1) -> tuple[list[Tensor], Any]:
    """Return tensors without data, with symbols for the sizes of a batch, and the ShapeEnv of the symbols.

    Torch would give equal sizes the same symbol, and so bake an accident of the first batch into the trace.

    Args:
        weights: parameters and buffers, of fixed sizes.
        batch: numbers, positions, and the tensors of the graph.
        vectors: the place in ``batch`` of the positions, or of others with three components.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

    shapes = ShapeEnv()
    mode = FakeTensorMode(shape_env=shapes, allow_non_fake_inputs=True)

    def without_data(tensor: Tensor, sizes: list[Any]) -> Tensor:
        context: Any = StatelessSymbolicContext(dynamic_sizes=sizes)
        return mode.from_tensor(tensor.detach(), symbolic_context=context).requires_grad_(tensor.requires_grad)

    fixed = [without_data(tensor, [DimDynamic.STATIC] * tensor.dim()) for tensor in weights]
    found = []
    for place, tensor in enumerate(batch):
        sizes = [DimDynamic.DYNAMIC] * tensor.dim()
        if place == vectors:
            sizes[1] = DimDynamic.STATIC
        found.append(without_data(tensor.clone(memory_format=torch.contiguous_format), sizes))
    return fixed + found, shapes


def check_sizes(batch: list[Tensor], shapes: Any) -> None:
    """Check that no size of a traced batch became a number; raises BakedSizeError."""
    for place, tensor in enumerate(batch):
        for size in tensor.shape:
            if not isinstance(size, torch.SymInt):
                continue
            value = shapes.replacements.get(size.node.expr, size.node.expr)
            if value.is_number and value != 3:  # offsets [E, 3] are added to vectors, and so have three components
                raise BakedSizeError(
                    f"the trace of the model holds for a batch with the size {value} of input {place} only; "
                    "len(tensor) in its code fixes a size, tensor.shape[0] does not"
                )
