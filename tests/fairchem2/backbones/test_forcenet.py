"""ForceNet as a backbone of fairchem 2, with gradient and with direct forces."""

from __future__ import annotations

from typing import ClassVar

from fairchem.core.datasets.embeddings import CONTINUOUS_EMBEDDINGS

from ocp_dc.fairchem2.backbones.forcenet import RADII

from tests.fairchem2.backbones.contract import BackboneContract
from tests.helpers.small_backbones import DIRECT_FORCENET, FORCENET


class TestForceNet(BackboneContract):
    backbone: ClassVar = FORCENET
    hidden: ClassVar = {"radii": RADII, "properties": CONTINUOUS_EMBEDDINGS}
    invariant = False


class TestDirectForceNet(TestForceNet):
    backbone: ClassVar = DIRECT_FORCENET
    conservative = False
