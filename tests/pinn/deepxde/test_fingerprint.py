"""Fingerprints: the same on all processors, others for other data."""

import numpy as np
import pytest

from ocp_dc.pinn.deepxde.fingerprint import fingerprint, same_data

RNG = np.random.default_rng(1)
POINTS, VALUES, SCALE = RNG.normal(size=(352, 2)).astype(np.float32), RNG.normal(size=(672, 1)), np.array(2.0)


def test_rounding_changes_nothing():
    points = POINTS * (1 + 6e-8 * RNG.choice((-1, 1), size=POINTS.shape))
    values = VALUES + 1e-8 * RNG.normal(size=VALUES.shape)
    assert same_data(fingerprint((POINTS, VALUES, SCALE)), fingerprint((points, values, SCALE)))


def test_zeros_equal_zeros():
    assert same_data(fingerprint([np.zeros(5)]), fingerprint([np.zeros(5)]))
    assert not same_data(fingerprint([np.zeros(5)]), fingerprint([np.full(5, 1e-9)]))
    assert not same_data(fingerprint([np.zeros(5)]), fingerprint([np.zeros(6)]))


@pytest.mark.parametrize(
    "changed",
    [
        (POINTS[::-1], VALUES, SCALE),
        (-POINTS, VALUES, SCALE),
        (POINTS, np.roll(VALUES, 1), SCALE),
        (POINTS, np.where(np.arange(672)[:, None] == 5, 1.001 * VALUES, VALUES), SCALE),
        (POINTS, VALUES, np.array(2.00001)),
        (POINTS, VALUES[:-1], SCALE),
        (POINTS, np.vstack([VALUES, [[0.0]]]), SCALE),
        (POINTS, VALUES),
    ],
    ids=["order", "sign", "shift", "one value", "scale", "shorter", "longer", "fewer arrays"],
)
def test_other_data(changed):
    assert not same_data(fingerprint((POINTS, VALUES, SCALE)), fingerprint(changed))
