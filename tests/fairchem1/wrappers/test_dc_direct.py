"""dc_scn, dc_escn and dc_equiformer_v2: the contract of every wrapper, and forces that are no derivatives."""

from __future__ import annotations

import logging
from typing import ClassVar

import pytest
import torch
from fairchem.core.common.registry import registry

from ocp_dc.core.errors import UserError
from ocp_dc.testing.fairchem1 import Fairchem1WrapperContract
from ocp_dc.testing.tolerances import SPHERICAL_GRID

from tests.helpers.runs import EQUIFORMER_V2, ESCN, SCN

STRUCTURES = 2  # of the fixture of that name


SAMPLED = "energy and forces are sampled at some points of the sphere: invariant only roughly"


class DirectContract(Fairchem1WrapperContract):
    conservative = False
    dc_always: ClassVar = {"allow_direct": True}
    precision = torch.float32
    grid = SPHERICAL_GRID

    def test_needs_allow_direct(self, caplog):
        with pytest.raises(UserError, match=r"predicts them directly.*no gradient.*Set dc.allow_direct: true"):
            type(self.build())(**self.arguments, dc={"activation": "irelu"})
        with caplog.at_level(logging.WARNING):
            self.build(dc={"activation": "irelu"})
        assert "not the derivatives of its energy" in caplog.text


class TestDCSCN(DirectContract):
    stock_name = "scn"
    not_invariant = SAMPLED
    arguments = SCN
    # one object everywhere: the model's own, and in each interaction the block's, its distances' and its messages'
    region_counts: ClassVar = {"output": 1, "paper": 1, "full": 1}
    region_kept: ClassVar = {"output": 3, "paper": 3, "full": 0}


class TestDCeSCN(DirectContract):
    stock_name = "escn"
    not_invariant = SAMPLED
    arguments = ESCN
    # one object everywhere: the model's own, nine in each layer, the energy's and the forces'
    region_counts: ClassVar = {"output": 2, "paper": 2, "full": 1}
    region_kept: ClassVar = {"output": 1 + 9, "paper": 1 + 9, "full": 0}


# a radial network, the attention weights' and the two parts of a separable S2 activation
ATTENTION = 2 + 1 + 2


class TestDCEquiformerV2(DirectContract):
    stock_name = "equiformer_v2"
    arguments = EQUIFORMER_V2
    region_counts: ClassVar = {
        "output": 2 + ATTENTION,
        "paper": 2 + ATTENTION,
        "full": 2 + (ATTENTION + 2) + 2 + ATTENTION,
    }
    # the last one, two of the block, and LayerNorms: two of each radial network and one of each attention's weights
    norms: ClassVar = {"batchnorm": 0, "layernorm": 2 * 3 + 2, "all": 1 + 2 + 2 * 3 + 2}
    insertion: ClassVar = {"insert_region": [r"^force_block\.s2_act\.scalar_act$"]}  # the others see a grid, or heads

    @pytest.mark.parametrize("norm_type", ["layer_norm", "layer_norm_sh", "rms_norm_sh"])
    def test_norms(self, norm_type):
        removed = self.build(norm_type=norm_type, dc={"denormalize": "layernorm"}).dc_report.removals
        assert len(removed) == self.norms["layernorm"]
        assert len(self.build(norm_type=norm_type, dc={"denormalize": "all"}).dc_report.removals) == self.norms["all"]

    def test_gates_stay(self):
        model = self.build(use_gate_act=True, dc={"activation": "irelu", "region": "full"})
        gates = [module for name, module in model.named_modules() if name.endswith("gate_act.gate_act")]
        assert len(gates) == 2 + 2  # in the block's attention and feedforward, and before energy and forces
        assert all(type(gate) is torch.nn.Sigmoid for gate in gates)


@pytest.mark.parametrize("name", ["dc_schnet", "dc_dimenetplusplus", "dc_gemnet_t"])
def test_where_it_means_nothing(name):
    with pytest.raises(UserError, match=rf"allow_direct: {name} predicts no forces directly here.*remove it"):
        registry.get_model_class(name)(dc={"allow_direct": True, "activation": "irelu"})
