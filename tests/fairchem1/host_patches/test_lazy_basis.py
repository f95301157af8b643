"""DimeNet's basis functions are derived at their first use, and are torch_geometric's to the last bit."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch_geometric.nn.models import dimenet_utils
from torch_geometric.nn.models.dimenet import SphericalBasisLayer

from ocp_dc.fairchem1.host_patches import lazy_basis
from ocp_dc.fairchem1.wrappers import DCDimeNetPlusPlus

from tests.fairchem1.wrappers.test_native_dimenetplusplus import ARGUMENTS
from tests.helpers.native_structures import batch_of, structures

SIZE = (3, 2)
X = torch.linspace(0.05, 1.0, 40)


def stock_layer() -> Any:
    """Return a layer as torch_geometric builds it."""
    layer = SphericalBasisLayer.__new__(SphericalBasisLayer)
    SphericalBasisLayer.__init__.__wrapped__(layer, *SIZE, cutoff=4.0, envelope_exponent=6)
    return layer


def build() -> Any:
    return SphericalBasisLayer(*SIZE, cutoff=4.0, envelope_exponent=6)


def test_the_layer_is_the_stock_layer() -> None:
    layer, stock = build(), stock_layer()
    copied = copy.deepcopy(pickle.loads(pickle.dumps(layer)))
    distance, angle, edge = 4.5 * X, 3.0 * X, torch.arange(40).flip(0)
    for each in (layer, copied, copy.deepcopy(layer)):
        assert torch.equal(each(distance, angle, edge), stock(distance, angle, edge))
        assert repr(each) == repr(stock)
        assert each.state_dict() == stock.state_dict()


def test_layers_do_not_share_their_lists() -> None:
    one, two = build(), build()
    one.bessel_funcs.clear()
    assert len(two.bessel_funcs) == 6


def test_the_native_model_derives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def derive(*sizes: int) -> Any:
        raise AssertionError("sympy is not needed")

    monkeypatch.setattr(dimenet_utils, "bessel_basis", derive)
    batch = batch_of(structures("mixed sizes"), torch.float32)
    arguments = {**ARGUMENTS, "num_radial": 5, "use_pbc": False, "otf_graph": True}  # a size that no other test derives
    for accelerate in ("native", "auto"):
        model = DCDimeNetPlusPlus(**arguments, dc={"activation": "irelu", "accelerate": accelerate})
        assert model(batch)["forces"].isfinite().all()
    with pytest.raises(AssertionError, match="sympy"):
        DCDimeNetPlusPlus(**arguments)(batch)


def test_installing_again_changes_nothing() -> None:
    before = SphericalBasisLayer.__init__
    lazy_basis.install()
    assert SphericalBasisLayer.__init__ is before
