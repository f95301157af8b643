"""Cheap structures with calculators of ASE."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT


@pytest.fixture
def tetrahedron() -> Atoms:
    """Four carbons 1 Å apart, all bonds of which are at rest with :class:`tests.helpers.springs.Springs`."""
    return Atoms("C4", np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8))


@pytest.fixture
def copper() -> Atoms:
    """Eight periodic atoms of copper at rest with ase's EMT."""
    atoms = bulk("Cu", a=3.585).repeat(2)
    atoms.calc = EMT()
    return atoms
