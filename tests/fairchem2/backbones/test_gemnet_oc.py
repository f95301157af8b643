"""GemNet-OC as a backbone of fairchem 2."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.backbones.gemnet_oc import GemNetOCBackbone
from ocp_dc.models.gemnet_oc_graph import GemNetOCEdges
from ocp_dc.models.graph import EdgeGraph

from tests.fairchem2.backbones.contract import BackboneContract
from tests.helpers.atomic_batches import batch_of, brute_force_edges, ethanol
from tests.helpers.small_backbones import GEMNET_OC

ARGUMENTS = {name: value for name, value in GEMNET_OC.items() if name != "model"}


class TestGemNetOC(BackboneContract):
    backbone: ClassVar = GEMNET_OC

    def brute_force_edges(self, model: Any, batch: Any, use_pbc: bool) -> EdgeGraph:
        """The edges of each graph, by its cutoff."""
        edges = brute_force_edges(batch, 5.0, use_pbc)
        lengths = edges.vectors(batch.pos).norm(dim=1)
        main, mixed, inner = ((lengths <= cutoff).nonzero()[:, 0] for cutoff in (4.0, 3.5, 2.3))
        return GemNetOCEdges(**vars(edges), main=main, mixed=mixed, inner=inner)

    def test_limits(self) -> None:
        """As in fairchem 1.10: a limit that is not given is that of the main graph, or for all edges the largest."""
        found = GemNetOCBackbone(**ARGUMENTS, max_neighbors=7, max_neighbors_qint=9).limits
        assert (found.largest, found.main, found.mixed, found.inner) == ((5.0, 9), (4.0, 7), (3.5, 7), (2.3, 9))
        with pytest.raises(UserError, match=r"max_neighbors_aint: got 3, expected at least the other limits, 7"):
            GemNetOCBackbone(**ARGUMENTS, max_neighbors=7, max_neighbors_aint=3)

    def test_tags(self) -> None:
        """Inner edges have an atom with one of the tags."""
        model = self.model(qint_tags=[2])
        batch = batch_of([ethanol()])
        batch.tags[:2] = 2
        edges = model.backbone.find_edges(batch)
        inner = edges.select(edges.inner)
        assert 0 < len(inner.source) < int((edges.vectors(batch.pos).norm(dim=1) <= 2.3).sum())
        assert ((inner.source < 2) | (inner.target < 2)).all()
