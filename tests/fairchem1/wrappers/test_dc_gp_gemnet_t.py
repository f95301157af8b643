"""dc_gp_gemnet_t: the contract of every wrapper, one rank with and without a group, and GemNet-dT's own numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest
import torch
from fairchem.core.common import gp_utils
from torch import distributed

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.wrappers import DCGemNetT, DCGPGemNetT
from ocp_dc.testing.fairchem1 import Fairchem1WrapperContract
from ocp_dc.testing.tolerances import assert_close

from tests.fairchem1.wrappers.test_dc_gemnet_t import INTERACTION, OUTPUT
from tests.helpers.runs import GEMNET

ARGUMENTS = {key: value for key, value in GEMNET.items() if key != "name"}
DC = {"activation": "irelu", "region": "output"}


STRUCTURES = 3  # of the fixture of that name


@pytest.fixture
def group() -> Iterator[None]:
    """What ``--gp-gpus 1`` sets up."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    gp_utils.setup_gp({"gp_gpus": 1, "distributed_backend": "gloo"})
    yield
    gp_utils.cleanup_gp()
    distributed.destroy_process_group()


class TestDCGPGemNetT(Fairchem1WrapperContract):
    stock_name = "gp_gemnet_t"
    arguments = ARGUMENTS
    region_counts: ClassVar = {
        "output": OUTPUT,
        "paper": OUTPUT,
        "full": 1 + ARGUMENTS["num_blocks"] * INTERACTION + OUTPUT,
    }

    def test_direct_forces(self):
        with pytest.raises(UserError, match=r"direct_forces.*not be the derivatives"):
            self.build(direct_forces=True, dc=DC)
        assert self.build(direct_forces=True).conservative is False

    def test_several_ranks(self, monkeypatch):
        monkeypatch.setattr(gp_utils, "get_gp_world_size", lambda: 2)
        with pytest.raises(UserError, match=r"--gp-gpus: got 2.*--gp-gpus 1"):
            self.build(dc=DC)
        self.build()  # the stock model, whose direct forces work there


def out_and_gradients(structures) -> list[torch.Tensor]:
    model, batch = make(DCGPGemNetT).double(), collate(structures, otf_graph=True)
    batch.pos = batch.pos.double()
    out = model(batch)
    (out["energy"].sum() + out["forces"].square().sum()).backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    return [out["energy"].detach(), out["forces"].detach(), *gradients]


def make(model_class: type) -> torch.nn.Module:
    torch.manual_seed(0)
    return model_class(**ARGUMENTS, dc=DC)


def test_one_rank_needs_no_group(structures, group):
    """The same numbers and gradients within a group of one and without, where calculators run."""
    within = out_and_gradients(structures)
    stock_group, gp_utils._GRAPH_PARALLEL_GROUP = gp_utils._GRAPH_PARALLEL_GROUP, None
    without = out_and_gradients(structures)
    gp_utils._GRAPH_PARALLEL_GROUP = stock_group
    for one, two in zip(within, without, strict=True):
        assert_close(one, two)


def test_is_gemnet_t(structures):
    """With the weights of dc_gemnet_t it is the same function, found by other code."""
    serial, parallel = make(DCGemNetT), make(DCGPGemNetT)
    parallel.load_state_dict(serial.state_dict(), strict=True)
    batch = collate(structures, otf_graph=True)
    ours, theirs = parallel(batch), serial(batch)
    assert_close(ours["energy"], theirs["energy"])
    assert_close(ours["forces"], theirs["forces"])
