"""DimeNet++ as a backbone of fairchem 2."""

from __future__ import annotations

from typing import ClassVar

from tests.fairchem2.backbones.contract import BackboneContract
from tests.helpers.atomic_batches import bulk


class TestDimeNetPlusPlus(BackboneContract):
    backbone = "ocp_dc.fairchem2.backbones.dimenetplusplus.DimeNetPlusPlusBackbone"
    arguments: ClassVar = {
        "hidden_channels": 8,
        "num_blocks": 2,
        "int_emb_size": 6,
        "basis_emb_size": 4,
        "out_emb_channels": 8,
        "num_spherical": 3,
        "num_radial": 4,
        "num_output_layers": 1,
        "cutoff": 4.0,
    }

    def test_stock_angles_carry_no_gradient(self) -> None:
        """As in fairchem 1.10, for its checkpoints; energies are the same."""
        exact, stock = (self.evaluate(self.model(angle_gradients=angles), [bulk()]) for angles in ("exact", "stock"))
        assert exact["energy"].equal(stock["energy"])
        assert (exact["forces"] - stock["forces"]).abs().max() > 1e-3 * exact["forces"].abs().max()
