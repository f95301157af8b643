"""The compiled energy and forces of a potential, and their comparison with the eager ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.compilation.flatten import flatten
from ocp_dc.models.compilation.trace import trace
from ocp_dc.models.potential import Potential

VALUE_TOLERANCE = 1e-5  # relative; energies are sums over atoms that partly cancel, whose squares differ by 2e-6
GRADIENT_TOLERANCE = 1e-5  # of the largest entry of each tensor
SMALLEST_SCALE = 1e-3  # a gradient that is zero but for rounding is compared on this part of the largest gradient


class CompiledPotential:
    """A compiled function for the energy and forces of one potential, differentiable once, by the parameters.

    Parameters and buffers are read from the potential at each call, so that optimizers and averaged weights work as
    usual. Compilation happens in the constructor and in the first call and its backward pass.

    Args:
        potential: the potential.
        numbers: int64 [N], of an example batch.
        positions: [N, 3], of the batch.
        graph: its graph.
    """

    def __init__(self, potential: Potential[Any], numbers: Tensor, positions: Tensor, graph: Any) -> None:
        import torch._inductor

        traced = trace(potential, numbers, positions, graph)
        self._owners = [_owner(potential, name) for name in traced.names]
        self._function = torch._inductor.compile(traced.module, [*traced.inputs])
        self._batch, self._shapes = traced.inputs[len(traced.names) :], traced.shapes
        self._kinds = [(tensor.dtype, tensor.device, tensor.requires_grad) for tensor in traced.inputs]
        self._fits: Callable[[list[Tensor]], bool] | None = None

    def __call__(self, numbers: Tensor, positions: Tensor, graph: Any) -> tuple[Tensor, Tensor] | None:
        """Return the energy of each structure, [B, 1], and the forces, [N, 3].

        Returns None if the function is not valid for the sizes or dtypes of the batch, or if other parameters require
        gradients than at first. Torch compiles for ranges of sizes, such as at most 4,096 rows of a sum, and treats a
        size of one as a constant.
        """
        weights = [entries[name] for entries, name in self._owners]
        batch = [tensor.contiguous() for tensor in (numbers, positions.detach(), *flatten(graph))]
        flat = [*weights, *batch]
        if [(tensor.dtype, tensor.device, tensor.requires_grad) for tensor in flat] != self._kinds:
            return None
        fits = self._fits or self._size_check()
        if not fits(batch):
            return None
        energy, forces = self._function(*flat)
        # the function records a backward pass even where gradients are disabled
        return (energy, forces) if torch.is_grad_enabled() else (energy.detach(), forces.detach())

    def finish(self) -> None:
        """Keep the conditions on sizes; called after the first backward pass, which may have added some."""
        self._fits = self._size_check()

    def _size_check(self) -> Callable[[list[Tensor]], bool]:
        """Return the check whether the function is valid for the sizes of a batch.

        Torch's conditions on strides and offsets are left out: the inputs are contiguous, and have any offset.
        """
        from torch.fx.experimental.symbolic_shapes import SYMPY_INTERP

        found = self._shapes.produce_guards_expression(self._batch, ignore_static=False) or "True"
        parts = [part for part in found.split(" and ") if ".stride()" not in part and ".storage_offset()" not in part]
        # the expression is torch's own; as a function it is parsed once, and not at each call
        check = eval(f"lambda L: {' and '.join(parts)}", dict(SYMPY_INTERP))  # noqa: S307
        names = [f"t{place}" for place in range(len(self._batch))]  # torch's, in the conditions
        return lambda batch: check(dict(zip(names, batch, strict=True)))


class DifferenceError(RuntimeError):
    """The compiled function and the eager one give different numbers."""


def check_equal(
    compiled: CompiledPotential, potential: Potential[Any], numbers: Tensor, positions: Tensor, graph: Any
) -> None:
    """Compare compiled and eager energies, forces and parameter gradients of a batch.

    The gradients are those of the mean squares of energies and forces, each in units of its eager value.

    Raises:
        DifferenceError: they differ by more than rounding; the message says where and by how much.
    """
    parameters = {name: value for name, value in potential.named_parameters() if value.requires_grad}
    found = []
    scales: list[Tensor] = []
    for function in (potential.energy_and_forces, compiled):
        values = function(numbers, positions.detach(), graph)
        if values is None:
            raise DifferenceError("the compiled function is not valid for the batch that it was compiled with")
        scales = scales or [value.detach().square().mean().clamp(min=torch.finfo(value.dtype).tiny) for value in values]
        parts = [value.square().mean() / scale for value, scale in zip(values, scales, strict=True)]
        gradients = torch.autograd.grad(sum(parts, torch.zeros(())), [*parameters.values()], allow_unused=True)
        found.append((parts, gradients))
    (parts, gradients), (other_parts, other_gradients) = found
    for name, one, other in zip(("energies", "forces"), parts, other_parts, strict=True):
        difference = (one - other).abs().item()
        if not difference <= VALUE_TOLERANCE * one.abs().item():
            raise DifferenceError(f"the mean square of the {name} differs by {difference / one.item():.1e} of itself")
    largest = max((gradient.abs().max().item() for gradient in gradients if gradient is not None), default=0.0)
    for name, one, other in zip(parameters, gradients, other_gradients, strict=True):
        one, other = (torch.zeros(1) if each is None else each.detach() for each in (one, other))
        scale = max(one.abs().max().item(), SMALLEST_SCALE * largest)
        difference = (one - other).abs().max().item()
        if not difference <= GRADIENT_TOLERANCE * scale:
            raise DifferenceError(f"the gradient of {name} differs by {difference:.1e}, where it reaches {scale:.1e}")


def _owner(potential: Potential[Any], name: str) -> tuple[dict[str, Any], str]:
    """Return the dictionary of the module that holds a parameter or buffer, and its key."""
    path, _, key = name.rpartition(".")
    module = potential.get_submodule(path)
    return (module._parameters if key in module._parameters else module._buffers), key
