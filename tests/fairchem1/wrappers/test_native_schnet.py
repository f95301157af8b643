"""The native SchNet under its wrapper."""

from __future__ import annotations

from typing import ClassVar

from ocp_dc.models.schnet import SchNet

from tests.helpers.native_checks import NativeContract


class TestNativeSchNet(NativeContract):
    stock_name = "schnet"
    alone = 1e-7  # torch_geometric rounds the shift log 2 of its softplus to float32
    native_class = SchNet
    arguments: ClassVar = {
        "hidden_channels": 16,
        "num_filters": 12,
        "num_interactions": 2,
        "num_gaussians": 10,
        "cutoff": 5.0,
    }
