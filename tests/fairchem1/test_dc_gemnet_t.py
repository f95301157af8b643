"""dc_gemnet_t: the contract of every wrapper, and the exact modules of each region."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from fairchem.core.datasets.lmdb_dataset import LmdbDataset

from ocp_dc.errors import UserError
from ocp_dc.fairchem1.wrappers import DCGemNetT

from runs import GEMNET
from wrapper_contract import WrapperContract

ARGUMENTS = {key: value for key, value in GEMNET.items() if key != "name"}
BLOCKS = 2
OUTPUT = (BLOCKS + 1) * (1 + 2 * ARGUMENTS["num_atom"])
# in each interaction block: dense_ca, four of the triplets, the concatenation, and the layers, of which a residual
# has two
INTERACTION = 6 + 2 * (1 + 1 + 1) + (1 + 2 * ARGUMENTS["num_atom"])


@pytest.fixture(scope="module")
def structures(ethanol):
    dataset = LmdbDataset({"src": str(ethanol / "val")})
    return [dataset[index] for index in range(3)]


class TestDCGemNetT(WrapperContract):
    stock_name = "gemnet_t"
    arguments = ARGUMENTS
    region_counts: ClassVar = {"output": OUTPUT, "paper": OUTPUT, "full": 1 + BLOCKS * INTERACTION + OUTPUT}

    def test_paths(self):
        report = self.build(dc={"activation": "irelu", "region": "output"}).dc_report
        first, second, *_ = report.swaps
        assert (first.path, first.aliases) == (
            "out_blocks.0.layers.0._activation",
            ("out_blocks.0.seq_energy.0._activation",),
        )
        assert second.path == "out_blocks.0.layers.1.dense_mlp.0._activation"
        assert first.was == "ScaledSiLU(SiLU())"
        assert all(swap.path.startswith("out_blocks.") for swap in report.swaps)

    def test_the_factor_goes_with_its_activation(self):
        """GemNet scales SiLU by 1/0.6; what takes its place stands there as it is."""
        x = torch.linspace(-3, 3, 7)
        stock = self.build().out_blocks[0].layers[0]._activation
        torch.testing.assert_close(stock(x), torch.nn.functional.silu(x) / 0.6)
        silu = self.build(dc={"activation": "silu", "region": "output"})
        assert torch.equal(silu.out_blocks[0].layers[0]._activation(x), torch.nn.functional.silu(x))
        assert torch.equal(silu.edge_emb.dense._activation(x), stock(x))

    def test_shared_parameters(self):
        """The trainer divides their gradients by the number of blocks that share them; surgery leaves them alone."""
        model = self.build(dc={"activation": "irelu", "region": "full"})
        own = {id(parameter) for parameter in model.parameters()}
        assert [factor for _, factor in model.shared_parameters] == [BLOCKS, BLOCKS, BLOCKS, BLOCKS + 1]
        assert all(id(parameter) in own for parameter, _ in model.shared_parameters)

    def test_direct_forces(self):
        with pytest.raises(UserError, match=r"direct_forces.*not be the derivatives"):
            self.build(direct_forces=True, dc={"activation": "irelu"})
        assert self.build(direct_forces=True, dc={}).conservative is False
        assert self.build(regress_forces=False, dc={"activation": "irelu"}).conservative is False


def test_has_no_detached_angles():
    with pytest.raises(UserError, match="detaches no angles"):
        DCGemNetT(**ARGUMENTS, dc={"activation": "irelu", "angle_gradients": "exact"})
