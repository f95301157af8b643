"""Sites: attributes of a model's modules whose value is an activation, a module or a plain callable."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from ocp_dc.nn import IntegratedELU, IntegratedLeakyReLU, IReLU, ShiftedSoftplus, TwiceIntegratedReLU
from ocp_dc.surgery.regularized_activation import RegularizedActivation

ACTIVATION_TYPES: tuple[type[nn.Module], ...] = (
    nn.CELU,
    nn.ELU,
    nn.GELU,
    nn.Hardswish,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.LogSigmoid,
    nn.Mish,
    nn.PReLU,
    nn.ReLU,
    nn.ReLU6,
    nn.RReLU,
    nn.SELU,
    nn.SiLU,
    nn.Softplus,
    nn.Softsign,
    nn.Tanh,
    nn.Tanhshrink,
    IReLU,
    IntegratedELU,
    IntegratedLeakyReLU,
    ShiftedSoftplus,
    TwiceIntegratedReLU,
)
# Activations that several libraries define under the same name. Bounded gates (Sigmoid, Softmax) are in neither list,
# so that no region contains them.
ACTIVATION_TYPE_NAMES = ("ShiftedSoftplus", "ShiftedSoftPlus", "ScaledSiLU", "SiQU", "Swish")
# fmt: off
ACTIVATION_FUNCTION_NAMES = frozenset((
    "celu", "elu", "gelu", "hardswish", "leaky_relu", "mish", "relu", "selu", "shifted_softplus", "silu", "softplus",
    "softsign", "ssp", "swish", "tanh",
))
# fmt: on
# Functions that are gates: no region contains them, whatever the attribute is called.
GATE_FUNCTION_NAMES = frozenset(("hardsigmoid", "log_softmax", "sigmoid", "softmax", "softmin"))
_ACTIVATION_ATTRIBUTE = re.compile(r"^_?(act|activation|nonlinearity)(_?(fn|func|function))?(_?\d+)?$")


@dataclasses.dataclass(frozen=True, eq=False)
class Site:
    """An attribute of a module whose value is an activation.

    Args:
        owner: the module.
        attribute: the name of the attribute.
        paths: the dotted paths to it; several if the owner is shared. The first one identifies the site.
        original: the activation when the site was found.
    """

    owner: nn.Module
    attribute: str
    paths: tuple[str, ...]
    original: nn.Module | Callable[[torch.Tensor], torch.Tensor]

    @property
    def container(self) -> dict[str, Any]:
        """The owner's dictionary with the activation: ``_modules`` for modules, the attributes for plain callables."""
        return self.owner._modules if self.attribute in self.owner._modules else vars(self.owner)

    @property
    def module(self) -> nn.Module | Callable[[torch.Tensor], torch.Tensor]:
        """The current activation."""
        return self.container[self.attribute]

    def replace(self, activation: nn.Module) -> None:
        """Replace the activation. The order and the names of the owner's children do not change."""
        if self.attribute in self.owner._modules:
            self.owner._modules[self.attribute] = activation
        else:
            setattr(self.owner, self.attribute, activation)


def find_sites(model: nn.Module, activation_types: Sequence[str] = ()) -> list[Site]:
    """Return every site of ``model``, in the order of the model.

    If a norm or dropout was inserted after an activation, the site is still the activation, with its old path.

    Args:
        model: any module.
        activation_types: class names of further activations.
    """
    paths: dict[tuple[int, str], list[str]] = {}
    places: dict[tuple[int, str], tuple[nn.Module, str, Any]] = {}
    names = {*ACTIVATION_TYPE_NAMES, *activation_types}
    for prefix, owner in model.named_modules(remove_duplicate=False):
        if _is_activation(owner, names) or isinstance(owner, RegularizedActivation):
            continue  # the parts of an activation are not sites
        held: list[tuple[str, nn.Module, str, Any]] = []
        for name, child in owner._modules.items():
            if isinstance(child, RegularizedActivation):
                held.append((name, child, "activation", child.activation))
            elif _is_activation(child, names):
                held.append((name, owner, name, child))
        held += [
            (name, owner, name, value) for name, value in vars(owner).items() if _is_activation_function(name, value)
        ]
        for name, holder, attribute, value in held:
            key = (id(holder), attribute)
            paths.setdefault(key, []).append(f"{prefix}.{name}" if prefix else name)
            places[key] = (holder, attribute, value)
    return [Site(owner, name, tuple(paths[key]), value) for key, (owner, name, value) in places.items()]


def describe(activation: nn.Module | Callable[..., Any]) -> str:
    """Return a short name for an activation, for reports: ``ShiftedSoftplus()`` or ``torch.nn.functional.silu``."""
    if isinstance(activation, nn.Module):
        parts = [describe(child) for child in activation.children()]  # the repr would have several lines
        return f"{type(activation).__name__}({', '.join(parts)})" if parts else repr(activation)
    if isinstance(activation, functools.partial):
        return f"partial of {describe(activation.func)}"
    module = getattr(activation, "__module__", None)
    name = getattr(activation, "__qualname__", repr(activation))
    return f"{module}.{name}" if module else name


def _is_activation(module: nn.Module | None, names: set[str]) -> bool:
    return isinstance(module, ACTIVATION_TYPES) or type(module).__name__ in names


def _is_activation_function(name: str, value: Any) -> bool:
    if name.startswith("__") or not callable(value) or isinstance(value, (nn.Module, type)):
        return False
    function = value.func if isinstance(value, functools.partial) else value
    kind = getattr(function, "__name__", None)
    if kind in ACTIVATION_FUNCTION_NAMES:
        return True
    return kind not in GATE_FUNCTION_NAMES and _ACTIVATION_ATTRIBUTE.match(name) is not None
