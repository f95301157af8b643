"""Activations and their moments, on torch alone."""

from __future__ import annotations

from ocp_dc.nn.integrated import IntegratedELU, IntegratedLeakyReLU, IReLU, TwiceIntegratedReLU
from ocp_dc.nn.moments import second_moment, unit_moment_coefficient
from ocp_dc.nn.registry import (
    ACTIVATIONS,
    Activation,
    activation,
    activation_names,
    activation_schema,
    same_activation,
)
from ocp_dc.nn.shifted_softplus import ShiftedSoftplus
from ocp_dc.nn.smoothness import smoothness

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "IReLU",
    "IntegratedELU",
    "IntegratedLeakyReLU",
    "ShiftedSoftplus",
    "TwiceIntegratedReLU",
    "activation",
    "activation_names",
    "activation_schema",
    "same_activation",
    "second_moment",
    "smoothness",
    "unit_moment_coefficient",
]
