"""PaiNN as a backbone of fairchem 2."""

from __future__ import annotations

from typing import ClassVar

from tests.fairchem2.backbones.contract import BackboneContract


class TestPaiNN(BackboneContract):
    backbone = "ocp_dc.fairchem2.backbones.painn.PaiNNBackbone"
    arguments: ClassVar = {"hidden_channels": 8, "num_layers": 2, "num_rbf": 8, "cutoff": 4.0}
