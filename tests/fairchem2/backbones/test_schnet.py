"""SchNet as a backbone of fairchem 2."""

from __future__ import annotations

from typing import ClassVar

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.backbones.schnet import SchNetBackbone

from tests.fairchem2.backbones.contract import BackboneContract
from tests.helpers.small_backbones import SCHNET


class TestSchNet(BackboneContract):
    backbone: ClassVar = SCHNET


def test_the_limits_of_fairchem_1() -> None:
    """50 neighbors, and without periodic boundaries 32."""
    found = [SchNetBackbone(use_pbc=use_pbc).edge_search for use_pbc in (True, False)]
    assert [(search.periodic, search.max_neighbors) for search in found] == [(True, 50), (False, 32)]
    assert SchNetBackbone(use_pbc=False, max_neighbors=40).edge_search.max_neighbors == 40


@pytest.mark.parametrize(
    ("argument", "words"),
    [({"use_pbc": "flase"}, "use_pbc: got 'flase', expected true or false"), ({"max_neighbors": -1}, "max_neighbors")],
)
def test_arguments_of_the_graph(argument: dict, words: str) -> None:
    with pytest.raises(UserError, match=rf"model\.backbone\.{words}"):
        SchNetBackbone(**argument)
