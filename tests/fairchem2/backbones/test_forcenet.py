"""ForceNet as a backbone of fairchem 2, with gradient and with direct forces."""

from __future__ import annotations

from typing import ClassVar

from fairchem.core.datasets.embeddings import CONTINUOUS_EMBEDDINGS

from ocp_dc.fairchem2.backbones.forcenet import RADII

from tests.fairchem2.backbones.contract import BackboneContract


class TestForceNet(BackboneContract):
    backbone = "ocp_dc.fairchem2.backbones.forcenet.ForceNetBackbone"
    arguments: ClassVar = {
        "hidden_channels": 8,
        "num_interactions": 2,
        "num_freqs": 6,
        "decoder_hidden_channels": 8,
        "cutoff": 4.0,
    }
    hidden: ClassVar = {"radii": RADII, "properties": CONTINUOUS_EMBEDDINGS}
    invariant = False


class TestDirectForceNet(TestForceNet):
    arguments: ClassVar = {**TestForceNet.arguments, "direct_forces": True}
    conservative = False
