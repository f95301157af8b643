"""The same numbers in whatever form other programs write them are the same sample, or are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.sample_check import check_sample


def record() -> Data:
    """A water, as ``ocp-dc prepare`` writes it."""
    return Data(
        pos=torch.tensor([[0.0, 0.0, 0.0], [0.75, 0.5, 0.0], [-0.75, 0.5, 0.0]]),
        atomic_numbers=torch.tensor([8, 1, 1]),
        natoms=3,
        y=-14.25,
        force=torch.tensor([[0.5, 0.0, 0.0], [-0.25, 0.0, 0.0], [-0.25, 0.0, 0.0]]),
        cell=torch.eye(3)[None] * 8,
        pbc=torch.tensor([[True, True, False]]),
        fixed=torch.tensor([1, 0, 0], dtype=torch.int),
        tags=torch.tensor([0, 1, 2], dtype=torch.int),
        sid=4,
        fid=2,
    )


FORMS: dict[str, list[Callable[[Any], Any]]] = {
    "y": [
        lambda y: torch.tensor([y]),
        lambda y: torch.tensor(y, dtype=torch.float64),
        lambda y: torch.tensor([[y]], dtype=torch.bfloat16),
        lambda y: [y],
        lambda y: np.array([y], dtype=np.float32),
        lambda y: np.float64(y),
    ],
    "natoms": [lambda n: torch.tensor([n]), lambda n: np.int64(n), float, lambda n: [n]],
    "pos": [lambda p: p.double(), lambda p: p.numpy(), lambda p: p.tolist(), lambda p: p.clone().requires_grad_()],
    "force": [lambda f: f.numpy(), lambda f: f.tolist(), lambda f: f.half()],
    "atomic_numbers": [lambda z: z.float(), lambda z: z[:, None], lambda z: z.to(torch.uint8).numpy(), list],
    "fixed": [lambda f: f.bool(), lambda f: f.float(), lambda f: f[:, None], lambda f: f.tolist()],
    "tags": [lambda t: t.double(), lambda t: t.numpy()],
    "cell": [lambda c: c[0], lambda c: c.flatten().numpy(), lambda c: c.double()],
    "pbc": [lambda p: p[0], lambda p: p.tolist(), lambda p: p.int(), lambda p: p.float().numpy()],
    "sid": [lambda s: torch.tensor([s]), lambda s: np.int32(s), lambda s: [s]],
}


@pytest.mark.parametrize(("key", "form"), [(key, form) for key, forms in FORMS.items() for form in forms])
def test_one_form(key, form):
    data, expected = record(), record()
    data[key] = form(data[key])
    found = check_sample(data, "here")
    for name, value in expected.to_dict().items():
        assert type(found[name]) is type(value)
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(
                found[name], value, rtol=0, atol=0, check_dtype=name not in FORMS or name == "pos"
            )
            assert not found[name].requires_grad
        else:
            assert found[name] == value


def test_what_has_the_form_stays_the_same_object():
    data = record()
    before = data.to_dict()
    assert all(value is before[key] for key, value in check_sample(data, "here").to_dict().items())


def test_forces_keep_more_digits():
    data = record()
    data.force = data.force.double()
    assert check_sample(data, "here").force.dtype is torch.float64


def test_none_is_nothing():
    data = record()
    data.y = data.fixed = data.pbc = None
    assert {"y", "fixed", "pbc"}.isdisjoint(check_sample(data, "here").keys())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("y", [1.0, 2.0], r"y has shape \(2,\), expected one number"),
        ("y", torch.zeros(3), "y has shape"),
        ("y", torch.zeros(0), "y has shape"),
        ("y", True, "y holds True and False"),
        ("y", 1j, "expected numbers"),
        ("y_relaxed", float("nan"), "y_relaxed: energy: NaN"),
        ("natoms", 3.5, "natoms is not 3"),
        ("atomic_numbers", torch.tensor([8.5, 1, 1]), "atomic number 8.5"),
        ("atomic_numbers", torch.tensor([True] * 3), "holds True and False"),
        ("pos", [[0.0], [1.0, 2.0]], "pos holds list .*expected numbers"),
        ("force", torch.ones(3, 3) > 0, "holds True and False"),
        ("fixed", torch.full((3,), torch.nan), "fixed holds nan"),
        ("tags", torch.tensor([0.5, 1, 2]), "tags holds 0.5"),
        ("pbc", torch.tensor([[2, 0, 0]]), "pbc is"),
        ("pbc", True, "expected 3 numbers"),
        ("cell", torch.eye(2), "expected 9 numbers"),
    ],
)
def test_refused(key, value, message):
    data = record()
    data[key] = value
    with pytest.raises(UserError, match=f"here: .*{message}"):
        check_sample(data, "here")
