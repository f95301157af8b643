"""DimeNet++ as a backbone of fairchem 2."""

from __future__ import annotations

from typing import ClassVar

import pytest

from ocp_dc.core.errors import UserError

from tests.fairchem2.backbones.contract import BackboneContract
from tests.helpers.atomic_batches import bulk
from tests.helpers.small_backbones import DIMENETPLUSPLUS


class TestDimeNetPlusPlus(BackboneContract):
    backbone: ClassVar = DIMENETPLUSPLUS

    def test_stock_angles_carry_no_gradient(self) -> None:
        """As in fairchem 1.10, for its checkpoints; energies are the same."""
        exact, stock = (self.evaluate(self.model(angle_gradients=angles), [bulk()]) for angles in ("exact", "stock"))
        assert exact["energy"].equal(stock["energy"])
        assert (exact["forces"] - stock["forces"]).abs().max() > 1e-3 * exact["forces"].abs().max()

    def test_stock_angles_give_no_further_derivatives(self) -> None:
        with pytest.raises(UserError, match="regress_stress: got True, and derivatives of the energy are not exact"):
            self.model(angle_gradients="stock", regress_stress=True)
