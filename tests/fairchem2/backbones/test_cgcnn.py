"""CGCNN as a backbone of fairchem 2."""

from __future__ import annotations

from typing import ClassVar

from fairchem.core.datasets.embeddings import KHOT_EMBEDDINGS

from tests.fairchem2.backbones.contract import BackboneContract


class TestCGCNN(BackboneContract):
    backbone = "ocp_dc.fairchem2.backbones.cgcnn.CGCNNBackbone"
    arguments: ClassVar = {
        "atom_embedding_size": 8,
        "num_graph_conv_layers": 2,
        "fc_feat_size": 8,
        "num_fc_layers": 2,
        "num_gaussians": 10,
        "cutoff": 4.0,
    }
    hidden: ClassVar = {"features": KHOT_EMBEDDINGS}
