"""Activations by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.numbers import finite_number
from ocp_dc.core.options import check_keys
from ocp_dc.nn.integrated import IntegratedELU, IntegratedLeakyReLU, IReLU, TwiceIntegratedReLU
from ocp_dc.nn.shifted_softplus import ShiftedSoftplus


def _leaky_relu(negative_slope: float = 0.01) -> nn.Module:
    return nn.LeakyReLU(finite_number("negative_slope", negative_slope))


def _elu(alpha: float = 1.0) -> nn.Module:
    return nn.ELU(finite_number("alpha", alpha, positive=True))


# name -> (the class or function that makes it, the settings that it takes)
_ACTIVATIONS: dict[str, tuple[Callable[..., nn.Module], tuple[str, ...]]] = {
    "elu": (_elu, ("alpha",)),
    "gelu": (nn.GELU, ()),
    "integrated_elu": (IntegratedELU, ("alpha",)),
    "integrated_leaky_relu": (IntegratedLeakyReLU, ("negative_slope", "coefficient")),
    "irelu": (IReLU, ("coefficient",)),
    "leaky_relu": (_leaky_relu, ("negative_slope",)),
    "mish": (nn.Mish, ()),
    "relu": (nn.ReLU, ()),
    "shifted_softplus": (ShiftedSoftplus, ()),
    "silu": (nn.SiLU, ()),
    "softplus": (nn.Softplus, ()),
    "tanh": (nn.Tanh, ()),
    "twice_integrated_relu": (TwiceIntegratedReLU, ("coefficient",)),
}
_ALIASES = {"ssp": "shifted_softplus", "swish": "silu"}


def activation_names() -> list[str]:
    """Return the names that :func:`activation` knows, aliases included, in alphabetical order."""
    return sorted([*_ACTIVATIONS, *_ALIASES])


def activation(spec: str | Mapping[str, Any]) -> nn.Module:
    """Make the activation that a config names.

    Args:
        spec: a name, or a mapping of the name and its settings: ``{"name": "irelu", "coefficient": 0.25}``.

    Raises:
        UserError: the name is unknown, the activation does not take a setting, or a value is not valid.
    """
    block = {"name": spec} if isinstance(spec, str) else spec
    if not isinstance(block, Mapping) or "name" not in block:
        raise UserError(
            f"activation: got {spec!r}, expected a name or a mapping with one, such as irelu or "
            f"{{name: irelu, coefficient: 0.5}}; the names are {', '.join(activation_names())}"
        )
    name = block["name"]
    if not isinstance(name, str) or name not in activation_names():
        raise unknown_name("activation", name, activation_names())
    make, settings = _ACTIVATIONS[_ALIASES.get(name, name)]
    check_keys(block, ("name", *settings), f"activation {name}")
    return make(**{key: value for key, value in block.items() if key != "name"})


def same_activation(a: object, b: object) -> bool:
    """Return whether two activations are the same function: the same class, settings and submodules.

    Plain callables are compared by ``==``. Modules with parameters or buffers are the same only if they are identical.
    """
    if a is b or not (isinstance(a, nn.Module) and isinstance(b, nn.Module)):
        return bool(a == b)
    if type(a) is not type(b) or _settings(a) != _settings(b) or _has_state(a) or _has_state(b):
        return False
    parts_a, parts_b = dict(a.named_children()), dict(b.named_children())
    return parts_a.keys() == parts_b.keys() and all(same_activation(parts_a[k], parts_b[k]) for k in parts_a)


def _settings(module: nn.Module) -> dict[str, Any]:
    """Return the attributes that define the function: all but those of every module and ``inplace``."""
    ignored = {*vars(nn.Module()), "inplace"}
    return {key: value for key, value in vars(module).items() if key not in ignored}


def _has_state(module: nn.Module) -> bool:
    return any(True for _ in module.parameters()) or any(True for _ in module.buffers())
