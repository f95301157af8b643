"""CGCNN as a backbone of fairchem 2."""

from __future__ import annotations

from typing import ClassVar

from fairchem.core.datasets.embeddings import KHOT_EMBEDDINGS

from tests.fairchem2.backbones.contract import BackboneContract
from tests.helpers.small_backbones import CGCNN


class TestCGCNN(BackboneContract):
    backbone: ClassVar = CGCNN
    hidden: ClassVar = {"features": KHOT_EMBEDDINGS}
