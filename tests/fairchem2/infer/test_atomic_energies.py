"""Energies of atoms with fairchem 2."""

from __future__ import annotations

import pytest

from tests.helpers.atomic_energy_contract import AtomicEnergyContract

pytestmark = pytest.mark.slow


class TestAtomicEnergies(AtomicEnergyContract):
    """The tests of both hosts."""
