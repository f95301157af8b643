"""GemNet-dT as a backbone of fairchem 2."""

from __future__ import annotations

from typing import ClassVar

from tests.fairchem2.backbones.contract import BackboneContract


class TestGemNetT(BackboneContract):
    backbone = "ocp_dc.fairchem2.backbones.gemnet_t.GemNetTBackbone"
    arguments: ClassVar = {
        "num_spherical": 4,
        "num_radial": 6,
        "num_blocks": 2,
        "emb_size_atom": 8,
        "emb_size_edge": 12,
        "emb_size_trip": 6,
        "emb_size_rbf": 5,
        "emb_size_cbf": 3,
        "emb_size_bil_trip": 7,
        "num_before_skip": 1,
        "num_after_skip": 1,
        "num_concat": 1,
        "num_atom": 1,
        "cutoff": 4.0,
    }
