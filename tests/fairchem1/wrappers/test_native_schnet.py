"""The native SchNet under its wrapper."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from ocp_dc.models.schnet import SchNet

from tests.helpers.every_model import in_float64
from tests.helpers.native_checks import NativeContract, assert_same, outputs_and_gradients
from tests.helpers.native_structures import batch_of, structures


class TestNativeSchNet(NativeContract):
    stock_name = "schnet"
    native_class = SchNet
    alone = 1e-7  # torch_geometric rounds the shift log 2 of its softplus to float32
    arguments: ClassVar = {
        "hidden_channels": 16,
        "num_filters": 12,
        "num_interactions": 2,
        "num_gaussians": 10,
        "cutoff": 5.0,
    }

    def compare(self, name, periodic, dc, rattle=0.0, **changes):
        """Compare both paths in float64, with the same random numbers; ``rattle`` (Å) displaces the atoms."""
        models = [
            self.build("dc_schnet", periodic, **changes, dc={**dc, "accelerate": path}).double()
            for path in ("native", "off")
        ]
        assert models[0].uses_native
        results = []
        with in_float64():
            for model in models:
                torch.manual_seed(5)
                batch = batch_of(structures(name))
                batch.pos += rattle * torch.randn(batch.pos.shape)
                results.append(outputs_and_gradients(model, batch))
        assert_same(*results)
        return models

    @pytest.mark.parametrize(("readout", "periodic"), [("mean", True), ("mean", False), ("add", False)])
    def test_readouts(self, readout, periodic):
        self.compare("slabs" if periodic else "mixed sizes", periodic, {"activation": "irelu"}, readout=readout)

    def test_another_readout_is_left_to_the_host(self):
        model = self.build("dc_schnet", False, readout="max", dc={"accelerate": "native"})
        assert not model.uses_native
        assert model.host_only_reason() == "readout is 'max', and not one of add, mean, sum"
        batch = batch_of(structures("mixed sizes"), torch.float32)
        expected = self.build("schnet", False, readout="max")(batch)["energy"]
        assert torch.equal(model(batch)["energy"], expected)

    @pytest.mark.parametrize("name", ["one size", "slabs"])
    @pytest.mark.parametrize("insertion", [{"dropout": 0.3}, {"insert_norm": "batchnorm"}])
    def test_dropout_and_norms_in_the_filter_networks(self, name, insertion):
        """Each edge has its own filter: the masks and statistics of the host, from the same random numbers."""
        dc = {"activation": "irelu", "region": "output", **insertion, "insert_region": [r"\.mlp\.1$"]}
        native, host = self.compare(name, name == "slabs", dc)
        for key, value in host.state_dict().items():  # running statistics
            torch.testing.assert_close(native.state_dict()[key], value, rtol=1e-10, atol=1e-12)

    def test_limited_neighbors(self):
        """Edges without an opposite: fairchem keeps the nearest 50 neighbors of each atom."""
        # rattled, because fairchem sorts neighbors by distances with errors of single precision
        model, _ = self.compare("slabs", True, {"activation": "irelu"}, rattle=0.05, cutoff=6.0)
        with torch.no_grad():
            graph = model.build_graph(model.find_edges(batch_of(structures("slabs"), torch.float32)))
        assert 0 < len(graph.source) < len(graph.first.source)
