"""dc_gemnet_t: the contract of every wrapper, and the exact modules of each region."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.train.fit_scales import make_trainer
from ocp_dc.fairchem1.wrappers import DCGemNetT
from ocp_dc.testing.fairchem1 import Fairchem1WrapperContract

from tests.helpers.runs import GEMNET

ARGUMENTS = {key: value for key, value in GEMNET.items() if key != "name"}
BLOCKS = 2
OUTPUT = (BLOCKS + 1) * (1 + 2 * ARGUMENTS["num_atom"])
# in each interaction block: dense_ca, four of the triplets, the concatenation, and the layers, of which a residual
# has two
INTERACTION = 6 + 2 * (1 + 1 + 1) + (1 + 2 * ARGUMENTS["num_atom"])


STRUCTURES = 3  # of the fixture of that name


class TestDCGemNetT(Fairchem1WrapperContract):
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
        """GemNet scales SiLU by 1/0.6; an activation that replaces it is not scaled."""
        x = torch.linspace(-3, 3, 7)
        stock = self.build().out_blocks[0].layers[0]._activation
        torch.testing.assert_close(stock(x), torch.nn.functional.silu(x) / 0.6)
        silu = self.build(dc={"activation": "silu", "region": "output"})
        assert torch.equal(silu.out_blocks[0].layers[0]._activation(x), torch.nn.functional.silu(x))
        assert torch.equal(silu.edge_emb.dense._activation(x), stock(x))

    def test_shared_parameters(self, small_config):
        """The trainer divides the gradient of what several blocks share by their number, and no other gradient."""
        config = small_config(optim={"optimizer": "SGD", "lr_initial": 1e-30})
        model = {**GEMNET, "dc": {"activation": "irelu", "region": "full"}}
        trainer = make_trainer({**config, "model": model, "seed": 0}, cpu=True)
        parameters = {name: p for name, p in trainer.model.named_parameters() if p.requires_grad}
        factors = {id(parameter): factor for parameter, factor in trainer.model.shared_parameters}
        assert list(factors.values()) == [BLOCKS, BLOCKS, BLOCKS, BLOCKS + 1]
        assert set(factors) < {id(parameter) for parameter in parameters.values()}
        batch = next(iter(trainer.train_loader))
        expected = torch.autograd.grad(trainer.model(batch)["forces"].square().sum(), list(parameters.values()))
        trainer._backward(trainer.model(batch)["forces"].square().sum())
        for (name, parameter), gradient in zip(parameters.items(), expected, strict=True):
            assert torch.equal(parameter.grad, gradient / factors.get(id(parameter), 1)), name

    def test_direct_forces(self):
        with pytest.raises(UserError, match=r"direct_forces.*not be the derivatives"):
            self.build(direct_forces=True, dc={"activation": "irelu"})
        assert self.build(direct_forces=True, dc={}).conservative is False
        assert self.build(regress_forces=False, dc={"activation": "irelu"}).conservative is False


def test_has_no_detached_angles():
    with pytest.raises(UserError, match="detaches no angles"):
        DCGemNetT(**ARGUMENTS, dc={"activation": "irelu", "angle_gradients": "exact"})
