"""Activations by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import nn

from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.json_schema import Schema, any_of, block, choices, number_schema
from ocp_dc.core.numbers import Number, finite_number
from ocp_dc.core.options import check_keys
from ocp_dc.nn.integrated import UNIT_MOMENT, IntegratedELU, IntegratedLeakyReLU, IReLU, TwiceIntegratedReLU
from ocp_dc.nn.mish import Mish
from ocp_dc.nn.shifted_softplus import ShiftedSoftplus

POSITIVE = Number(0, above=True, nullable=False)


def _leaky_relu(negative_slope: float = 0.01) -> nn.Module:
    return nn.LeakyReLU(finite_number("negative_slope", negative_slope))


def _elu(alpha: float = 1.0) -> nn.Module:
    return nn.ELU(finite_number("alpha", alpha, positive=True))


class Activation(NamedTuple):
    """An activation that configs can name.

    Attributes:
        name: its name.
        make: the class or function that makes it.
        settings: the settings that it takes.
        formula: f(x), in one line.
        purpose: what it is for, in one line.
        aliases: other names.
    """

    name: str
    make: Callable[..., nn.Module]
    settings: tuple[str, ...]
    formula: str
    purpose: str
    aliases: tuple[str, ...] = ()


ACTIVATIONS = (
    Activation("elu", _elu, ("alpha",), "x, and alpha (e^x - 1) below 0", "for comparison; kinked unless alpha is 1"),
    Activation("gelu", nn.GELU, (), "x Phi(x), Phi of the normal distribution", "smooth; common in transformers"),
    Activation(
        "integrated_elu",
        IntegratedELU,
        ("alpha",),
        "x^2/2, and alpha (e^x - x - 1) below 0",
        "its derivative, which enters the forces, is ELU",
    ),
    Activation(
        "integrated_leaky_relu",
        IntegratedLeakyReLU,
        ("negative_slope", "coefficient"),
        "c x^2, and negative_slope c x^2 below 0",
        "its derivative, which enters the forces, is a leaky ReLU",
    ),
    Activation(
        "irelu",
        IReLU,
        ("coefficient",),
        "c max(0, x)^2, c = 1/2",
        "the default of dc: its derivative, which enters the forces, is ReLU",
    ),
    Activation(
        "leaky_relu",
        _leaky_relu,
        ("negative_slope",),
        "x, and negative_slope x below 0",
        "for comparison; its derivative jumps, and so do forces",
    ),
    Activation("mish", Mish, (), "x tanh(log(1 + e^x))", "smooth; used outside the region of irelu"),
    Activation("relu", nn.ReLU, (), "max(0, x)", "for comparison; its derivative jumps, and so do forces"),
    Activation(
        "shifted_softplus", ShiftedSoftplus, (), "log(1 + e^x) - log 2", "smooth; the activation of SchNet", ("ssp",)
    ),
    Activation("silu", nn.SiLU, (), "x / (1 + e^-x)", "smooth; the activation of most potentials", ("swish",)),
    Activation("softplus", nn.Softplus, (), "log(1 + e^x)", "smooth; the activation of CGCNN's convolutions"),
    Activation("tanh", nn.Tanh, (), "tanh(x)", "smooth and bounded; the default of physics-informed networks"),
    Activation(
        "twice_integrated_relu",
        TwiceIntegratedReLU,
        ("coefficient",),
        "c max(0, x)^3, c = 1/6",
        "for equations of second order: its second derivative is ReLU",
    ),
)
# the JSON Schema of each setting
SETTINGS: dict[str, Schema] = {
    "alpha": {"description": "the limit at -infinity is -alpha; 1 by default", **number_schema(POSITIVE)},
    "coefficient": {
        "description": "c, or unit_moment: c with E[f(x)^2] = 1 for x ~ N(0, 1)",
        **any_of(number_schema(POSITIVE), choices([UNIT_MOMENT])),
    },
    "negative_slope": {"description": "the slope below 0; 0.01 by default", "type": "number"},
}
_BY_NAME = {name: each for each in ACTIVATIONS for name in (each.name, *each.aliases)}


def activation_names() -> list[str]:
    """Return the names that :func:`activation` knows, aliases included, in alphabetical order."""
    return sorted(_BY_NAME)


def activation_schema(*others: str) -> Schema:
    """Return the JSON Schema of the argument of :func:`activation`.

    Args:
        others: texts that are valid as well.
    """
    blocks = [
        {
            **block({"name": choices((each.name, *each.aliases)), **{key: SETTINGS[key] for key in each.settings}}),
            "required": ["name"],
        }
        for each in ACTIVATIONS
    ]
    return any_of(choices([*activation_names(), *others]), *blocks)


def activation(spec: str | Mapping[str, Any]) -> nn.Module:
    """Make the activation that a config names.

    Args:
        spec: a name, or a mapping of the name and its settings: ``{"name": "irelu", "coefficient": 0.25}``.

    Raises:
        UserError: the name is unknown, the activation does not take a setting, or a value is not valid.
    """
    settings = {"name": spec} if isinstance(spec, str) else spec
    if not isinstance(settings, Mapping) or "name" not in settings:
        raise UserError(
            f"activation: got {spec!r}, expected a name or a mapping with one, such as irelu or "
            f"{{name: irelu, coefficient: 0.5}}; the names are {', '.join(activation_names())}"
        )
    name = settings["name"]
    if not isinstance(name, str) or name not in _BY_NAME:
        raise unknown_name("activation", name, activation_names())
    check_keys(settings, ("name", *_BY_NAME[name].settings), f"activation {name}")
    return _BY_NAME[name].make(**{key: value for key, value in settings.items() if key != "name"})


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
