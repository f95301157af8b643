"""GemNet-dT as a backbone of fairchem 2."""

from __future__ import annotations

from typing import ClassVar

from tests.fairchem2.backbones.contract import BackboneContract
from tests.helpers.small_backbones import GEMNET_T


class TestGemNetT(BackboneContract):
    backbone: ClassVar = GEMNET_T
