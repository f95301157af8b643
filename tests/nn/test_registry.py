from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from scipy import special
from torch import nn
from torch.nn import functional as F

from ocp_dc.core.errors import UserError
from ocp_dc.nn import (
    ACTIVATIONS,
    IntegratedLeakyReLU,
    IReLU,
    ShiftedSoftplus,
    activation,
    activation_names,
    same_activation,
)
from ocp_dc.testing.tolerances import ROUNDING, assert_close

REFERENCE = {
    "elu": F.elu,
    "gelu": F.gelu,
    "integrated_elu": lambda x: torch.where(x > 0, x**2 / 2, torch.expm1(x) - x),
    "integrated_leaky_relu": lambda x: torch.where(x > 0, 0.5, 0.005) * x**2,
    "irelu": lambda x: x.clamp(min=0) ** 2 / 2,
    "leaky_relu": F.leaky_relu,
    "mish": lambda x: x * torch.tanh(F.softplus(x)),
    "relu": lambda x: x.clamp(min=0),
    "shifted_softplus": lambda x: torch.log((1 + torch.exp(x)) / 2),
    "silu": lambda x: x * torch.sigmoid(x),
    "softplus": lambda x: torch.log(1 + torch.exp(x)),
    "ssp": lambda x: torch.log((1 + torch.exp(x)) / 2),
    "swish": lambda x: x / (1 + torch.exp(-x)),
    "tanh": torch.tanh,
    "twice_integrated_relu": lambda x: x.clamp(min=0) ** 3 / 6,
}


def test_every_name_has_a_reference() -> None:
    assert activation_names() == sorted(REFERENCE)


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_value_and_state(name: str) -> None:
    module = activation(name)
    x = torch.linspace(-4, 4, 33)
    assert_close(module(x), REFERENCE[name](x))
    assert not module.state_dict()
    for clone in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), activation({"name": name})):
        assert torch.equal(clone(x), module(x))
        assert same_activation(clone, module)


def test_aliases() -> None:
    assert isinstance(activation("swish"), nn.SiLU)
    assert isinstance(activation("ssp"), ShiftedSoftplus)


def test_settings_arrive() -> None:
    assert activation({"name": "irelu", "coefficient": 0.25}).spec == IReLU(0.25).spec
    assert activation({"name": "irelu", "coefficient": "unit_moment"}).coefficient == pytest.approx(math.sqrt(2 / 3))
    assert activation({"name": "leaky_relu", "negative_slope": 0.2}).negative_slope == 0.2
    assert activation({"name": "elu", "alpha": 2}).alpha == 2.0
    leaky = activation({"name": "integrated_leaky_relu", "negative_slope": 0.3, "coefficient": 1})
    assert same_activation(leaky, IntegratedLeakyReLU(0.3, 1.0))


def test_spec_is_not_changed() -> None:
    spec = {"name": "irelu", "coefficient": 1.0}
    activation(spec)
    assert spec == {"name": "irelu", "coefficient": 1.0}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("irlu", "unknown activation 'irlu': expected one of elu, .*Did you mean 'irelu'"),
        ({"name": "ireluu"}, "Did you mean 'irelu'"),
        ({"name": None}, "unknown activation None"),
        ({"name": ["irelu"]}, "unknown activation"),
        ({"name": "irelu", "coeficient": 1}, "unknown key 'coeficient'.*Did you mean 'coefficient'"),
        ({"name": "silu", "coefficient": 1}, "activation silu: unknown key 'coefficient'; expected name"),
        ({"name": "swish", "beta": 1}, "activation swish: unknown key 'beta'"),
        ({"coefficient": 1}, "expected a name or a mapping with one"),
        ({}, "expected a name or a mapping with one"),
        (None, "got None, expected a name"),
        (1, "got 1, expected a name"),
        (["irelu"], "expected a name or a mapping"),
        ({"name": "irelu", "coefficient": True}, "coefficient: got True"),
        ({"name": "leaky_relu", "negative_slope": "0.1"}, "negative_slope: got '0.1', expected a finite number"),
        ({"name": "elu", "alpha": 0}, "alpha: got 0, expected a finite positive number"),
    ],
    ids=str,
)
def test_errors(spec: str | Mapping[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        activation(spec)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_shifted_softplus_as_stock_schnet_has_it(dtype: torch.dtype) -> None:
    shift = torch.log(torch.tensor(2.0)).item()
    x = torch.linspace(-30, 30, 201, dtype=dtype)
    # stock rounds log 2 to float32: in float64 the two differ by that rounding, in float32 by nothing
    difference = (activation("ssp")(x) - (F.softplus(x) - shift)).abs().max().item()
    assert difference <= (0 if dtype == torch.float32 else ROUNDING[torch.float32][1])
    assert activation("ssp")(torch.zeros(1, dtype=dtype)).item() == 0


class Scaled(nn.Module):
    def __init__(self, inner: nn.Module, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.inner = inner


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (IReLU(), IReLU(0.5), True),
        (IReLU(), IReLU(0.25), False),
        (nn.SiLU(), nn.SiLU(inplace=True), True),
        (nn.SiLU(), nn.SiLU().eval(), True),
        (nn.SiLU(), nn.Mish(), False),
        (nn.LeakyReLU(0.1), nn.LeakyReLU(0.2), False),
        (nn.GELU(), nn.GELU("tanh"), False),
        (Scaled(nn.SiLU(), 2.0), Scaled(nn.SiLU(), 2.0), True),
        (Scaled(nn.SiLU(), 2.0), Scaled(nn.Mish(), 2.0), False),
        (Scaled(nn.SiLU(), 2.0), Scaled(nn.SiLU(), 3.0), False),
        (nn.PReLU(), nn.PReLU(), False),
        (F.silu, F.silu, True),
        (F.silu, F.mish, False),
        (F.silu, nn.SiLU(), False),
    ],
)
def test_same_activation(a: object, b: object, expected: bool) -> None:
    assert same_activation(a, b) is expected
    assert same_activation(b, a) is expected
    assert same_activation(a, a)


def test_import_needs_torch_alone() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['fairchem', 'torch_geometric', 'ase', 'scipy', 'lmdb']));"
        "from ocp_dc.nn import activation; activation('irelu')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


# each formula of the list, written again
FORMULAS = {
    "x, and alpha (e^x - 1) below 0": lambda x: np.where(x > 0, x, np.expm1(x)),
    "x Phi(x), Phi of the normal distribution": lambda x: x * (1 + special.erf(x / np.sqrt(2))) / 2,
    "x^2/2, and alpha (e^x - x - 1) below 0": lambda x: np.where(x > 0, x**2 / 2, np.exp(x) - x - 1),
    "c x^2, and negative_slope c x^2 below 0": lambda x: np.where(x > 0, 1, 0.01) * x**2 / 2,
    "c max(0, x)^2, c = 1/2": lambda x: np.maximum(0, x) ** 2 / 2,
    "x, and negative_slope x below 0": lambda x: np.where(x > 0, x, 0.01 * x),
    "x tanh(log(1 + e^x))": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "max(0, x)": lambda x: np.maximum(0, x),
    "log(1 + e^x) - log 2": lambda x: np.log1p(np.exp(x)) - np.log(2),
    "x / (1 + e^-x)": lambda x: x / (1 + np.exp(-x)),
    "log(1 + e^x)": lambda x: np.log1p(np.exp(x)),
    "tanh(x)": np.tanh,
    "c max(0, x)^3, c = 1/6": lambda x: np.maximum(0, x) ** 3 / 6,
}


@pytest.mark.parametrize("entry", ACTIVATIONS, ids=lambda entry: entry.name)
def test_a_formula_is_the_function(entry):
    x = np.linspace(-3, 3, 41)
    values = activation(entry.name)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(values, FORMULAS[entry.formula](x), atol=1e-12)
