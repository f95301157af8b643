from __future__ import annotations

import numpy as np
import pytest

from ocp_dc.evaluation.predictions import Predictions


@pytest.fixture
def hand() -> Predictions:
    """Two structures, of one and two atoms; the last atom is fixed, and wrong by far."""
    return Predictions(
        energy_true=np.array([-10.0, -20.0]),
        energy_pred=np.array([-9.98, -20.5]),  # +0.02 and -0.5
        forces_true=np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0], [1.0, 1.0, 1.0]]),
        forces_pred=np.array([[0.03, 0.0, 0.0], [3.0, 0.0, 4.6], [9.0, 9.0, 9.0]]),
        natoms=np.array([1, 2]),
        free=np.array([True, True, False]),
        ids=["one", "two"],
    )


@pytest.fixture
def many() -> Predictions:
    """A thousand structures of three atoms, one in five fixed: enough to draw a density."""
    rng = np.random.default_rng(0)
    energy = -4209 + rng.normal(0, 0.2, 1000)
    forces = rng.normal(0, 1, (3000, 3))
    return Predictions(
        energy,
        energy + rng.normal(0, 0.02, 1000),
        forces,
        forces + rng.normal(0, 0.05, forces.shape),
        np.full(1000, 3),
        np.arange(3000) % 5 != 0,
        [f"frame-{i}" for i in range(1000)],
    )
