"""Derive the symbolic basis functions of DimeNet and DimeNet++ at their first use, once in a process.

torch_geometric's ``SphericalBasisLayer`` derives its functions with sympy whenever a layer is built, which takes 13 to
20 seconds at the usual size. They depend on only two numbers, and the native DimeNet++ does not use them.
"""

from __future__ import annotations

import functools
from typing import Any

import torch


def install() -> None:
    """Patch ``SphericalBasisLayer`` to derive its functions at their first use; a second call changes nothing."""
    from torch_geometric.nn.models import dimenet

    layer_class: Any = dimenet.SphericalBasisLayer
    stock = layer_class.__init__
    if hasattr(stock, "__wrapped__"):
        return

    @functools.wraps(stock)
    def __init__(
        self: Any, num_spherical: int, num_radial: int, cutoff: float = 5.0, envelope_exponent: int = 5
    ) -> None:
        torch.nn.Module.__init__(self)
        self.num_spherical, self.num_radial, self.cutoff = num_spherical, num_radial, cutoff
        self.envelope = dimenet.Envelope(envelope_exponent)

    @functools.cache
    def derived(num_spherical: int, num_radial: int) -> tuple[list[Any], list[Any]]:
        """Return the angular and the radial functions of torch_geometric."""
        layer = layer_class.__new__(layer_class)
        stock(layer, num_spherical, num_radial)
        return vars(layer)["sph_funcs"], vars(layer)["bessel_funcs"]

    for index, name in enumerate(("sph_funcs", "bessel_funcs")):
        setattr(layer_class, name, _lazy(name, index, derived))
    layer_class.__init__ = __init__


def _lazy(name: str, index: int, derived: Any) -> functools.cached_property[list[Any]]:
    """Return an attribute that is derived at its first use and then kept in the instance, where it may be set too."""

    def functions(layer: Any) -> list[Any]:
        return list(derived(layer.num_spherical, layer.num_radial)[index])

    attribute = functools.cached_property(functions)
    attribute.__set_name__(None, name)  # type: ignore[arg-type]
    return attribute
