"""dc_schnet: the contract of every wrapper, and the exact modules of each region."""

from __future__ import annotations

from typing import ClassVar

import pytest
from fairchem.core.datasets.lmdb_dataset import LmdbDataset

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.wrappers import DCSchNet
from ocp_dc.testing.fairchem1 import Fairchem1WrapperContract

from tests.helpers.runs import MODEL

ARGUMENTS = {key: value for key, value in MODEL.items() if key != "name"}
INTERACTIONS = ARGUMENTS["num_interactions"]


class TestDCSchNet(Fairchem1WrapperContract):
    stock_name = "schnet"
    arguments = ARGUMENTS
    region_counts: ClassVar = {"output": 1, "paper": 2 * INTERACTIONS + 1, "full": 2 * INTERACTIONS + 1}

    def test_paths(self):
        report = self.build(dc={"activation": "irelu", "region": "full"}).dc_report
        assert [(swap.path, swap.aliases) for swap in report.swaps] == [
            ("act", ()),
            ("interactions.0.act", ()),
            ("interactions.0.mlp.1", ("interactions.0.conv.nn.1",)),
            ("interactions.1.act", ()),
            ("interactions.1.mlp.1", ("interactions.1.conv.nn.1",)),
        ]

    def test_a_region_by_patterns(self):
        report = self.build(dc={"activation": "irelu", "region": [r"^interactions\.1\.", "^act$"]}).dc_report
        assert [swap.path for swap in report.swaps] == ["act", "interactions.1.act", "interactions.1.mlp.1"]


def test_has_no_angles():
    with pytest.raises(UserError, match="detaches no angles"):
        DCSchNet(**ARGUMENTS, dc={"activation": "irelu", "angle_gradients": "exact"})


def test_with_periodic_boundaries(ethanol):
    """The periodic branch of fairchem's SchNet is another code path; its forces follow the energy too."""
    import torch

    from ocp_dc.fairchem1.train.collate import collate

    torch.manual_seed(0)
    model = DCSchNet(**{**ARGUMENTS, "use_pbc": True}, dc={"activation": "irelu", "region": "output"}).eval()
    data = LmdbDataset({"src": str(ethanol / "val")})[0]
    data.cell, data.pbc = 6.0 * torch.eye(3).view(1, 3, 3), torch.ones(1, 3, dtype=torch.bool)
    energies, step = [], 1e-2  # fairchem's periodic graph is in float32 throughout
    forces = model(collate([data], otf_graph=True))["forces"].detach()
    start = data.pos.detach().clone()
    for sign in (1, -1):
        data.pos = start.clone()
        data.pos[0, 0] += sign * step
        energies.append(model(collate([data], otf_graph=True))["energy"].item())
    # float64 is out of reach here, so that the bound is that of a float32 difference
    assert forces[0, 0].item() == pytest.approx(-(energies[0] - energies[1]) / (2 * step), rel=2e-2, abs=2e-4)
