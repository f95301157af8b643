"""dc_esen: the contract of every wrapper, the regions of its grids, and what it is as a hydra."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.wrappers import DCeSEN, DCHydra
from ocp_dc.testing.fairchem1 import Fairchem1WrapperContract
from ocp_dc.testing.tolerances import SPHERICAL_GRID

from tests.helpers.runs import ESEN, HYDRA

ARGUMENTS = {key: value for key, value in ESEN.items() if key != "name"}
BACKBONE = {"model": "esen_backbone", **ARGUMENTS}
LAYERS = ARGUMENTS["num_layers"]
# the radial network of the embedding; in each layer a radial network, the two parts of a separable S2 activation and
# the two activations of the grid's network; in the head two
FULL = 2 + LAYERS * (2 + 2 + 2) + 2


STRUCTURES = 2  # of the fixture of that name


class TestDCeSEN(Fairchem1WrapperContract):
    stock_name = "hydra"
    name = "dc_esen"
    arguments = ARGUMENTS
    stock_arguments: ClassVar = {key: value for key, value in HYDRA.items() if key != "name"} | {"backbone": BACKBONE}
    region_counts: ClassVar = {"output": 2, "paper": 2, "full": FULL}
    # the last norm, two of each layer, and two LayerNorms of each radial network
    norms: ClassVar = {"batchnorm": 0, "layernorm": 2 * (1 + LAYERS), "all": 1 + 2 * LAYERS + 2 * (1 + LAYERS)}
    grid = SPHERICAL_GRID

    def test_paths(self):
        report = self.build(dc={"activation": "irelu", "region": "output"}).dc_report
        head = "output_heads.energy_and_forces.energy_block"
        assert [swap.path for swap in report.swaps] == [f"{head}.1", f"{head}.3"]

    @pytest.mark.parametrize("norm_type", ["layer_norm", "layer_norm_sh", "rms_norm_sh"])
    def test_norms(self, norm_type):
        """LayerNorms stand in the radial networks only; the norms of spherical features go with `all`."""
        removed = self.build(norm_type=norm_type, dc={"denormalize": "layernorm"}).dc_report.removals
        assert len(removed) == self.norms["layernorm"]
        assert all(".rad_func.net." in norm.path for norm in removed)
        assert len(self.build(norm_type=norm_type, dc={"denormalize": "all"}).dc_report.removals) == self.norms["all"]

    def test_is_dc_hydra_with_two_parts(self, structures):
        dc = {"activation": "mish", "region": "full"}
        torch.manual_seed(0)
        hydra = DCHydra(**self.stock_arguments, dc=dc)
        esen = self.build(dc=dc)
        assert isinstance(esen, DCHydra)
        assert esen.dc_report == hydra.dc_report
        expected, out = (self.run(model, self.batch(structures)) for model in (hydra, esen))
        assert torch.equal(out["forces"], expected["forces"])

    def test_arguments(self):
        with pytest.raises(UserError, match=r"unknown key 'direct_forces'"):
            DCeSEN(**ARGUMENTS, direct_forces=True)
        with pytest.raises(UserError, match=r"allow_direct.*predicts no forces directly"):
            DCeSEN(**ARGUMENTS, dc={"allow_direct": True})
        assert DCeSEN(**ARGUMENTS, regress_forces=False, dc={"activation": "irelu"}).conservative is False
