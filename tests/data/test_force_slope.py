from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ocp_dc.data.force_slope import FEWEST_PAIRS, ForceSlope
from ocp_dc.data.frames import Frame, molecule
from ocp_dc.data.readers.npz import NpzSource
from ocp_dc.data.sample import sample_path

AT_REST = np.array([[0, 0, 0], [1, 0, 0], [0, 1.2, 0], [0, 0.3, 1.1]])


def springs(positions: NDArray) -> tuple[float, NDArray]:
    """Energy and forces of springs between all atoms."""
    energy, forces = np.float64(0.0), np.zeros_like(positions)
    for a in range(4):
        for b in range(a):
            vector, rest = positions[a] - positions[b], np.linalg.norm(AT_REST[a] - AT_REST[b])
            stretch = np.linalg.norm(vector) - rest
            energy += 5.0 * stretch**2
            pull = 10.0 * stretch * vector / np.linalg.norm(vector)
            forces[a] -= pull
            forces[b] += pull
    return float(energy), forces


def tumbling(count: int, *, energies: float = 1.0, forces: float = 1.0, lengths: float = 1.0) -> list[Frame]:
    """Molecules that vibrate, turn and move, with their labels scaled."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(count):
        positions = AT_REST + rng.normal(scale=0.05, size=(4, 3))
        positions = positions @ Rotation.random(random_state=rng).as_matrix() + rng.normal(scale=10.0, size=3)
        energy, pull = springs(positions)
        frames.append(molecule(np.array([6, 1, 1, 8]), lengths * positions, energies * energy, forces / lengths * pull))
    return frames


def slope_of(frames: list[Frame]):
    slope = ForceSlope()
    for frame in frames:
        slope.add(frame)
    return slope.result()


def test_the_forces_are_the_slope():
    found = slope_of(tumbling(200))
    assert found.correlation > 0.99
    assert found.slope == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("scales", "slope"),
    [({"forces": -1.0}, -1.0), ({"energies": 23.06}, 23.06), ({"forces": 0.529}, 1.89), ({"lengths": 0.529}, 1.0)],
)
def test_labels_that_do_not_belong_together(scales, slope):
    found = slope_of(tumbling(200, **scales))
    assert found.slope == pytest.approx(slope, rel=0.1)
    assert abs(found.correlation) > 0.99
    assert np.sign(found.correlation) == np.sign(slope)


def test_forces_of_another_atom_or_at_random_say_nothing():
    rng = np.random.default_rng(1)
    frames = [molecule(f.numbers, f.positions, f.energy, rng.normal(size=(4, 3))) for f in tumbling(200)]
    assert abs(slope_of(frames).correlation) < 0.5


def test_nothing_is_said_of_few_or_far_or_equal_geometries():
    assert slope_of(tumbling(FEWEST_PAIRS)) is None
    assert slope_of(tumbling(1) * 100) is None
    rng = np.random.default_rng(0)
    assert (
        slope_of(
            [molecule(np.array([1, 1, 1]), 5 * rng.normal(size=(3, 3)), 0.0, np.zeros((3, 3))) for _ in range(100)]
        )
        is None
    )
    assert slope_of([molecule(np.array([1]), np.zeros((1, 3)), 0.0, np.zeros((1, 3)))] * 100) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_ethanol_both_ways(sign):
    source = NpzSource(sample_path(), "rmd17", "eV")
    picked = [source[i] for i in np.random.default_rng(0).permutation(2000)[:200].tolist()]
    found = slope_of([molecule(f.numbers, f.positions, f.energy, sign * f.forces) for f in picked])
    assert found.pairs >= FEWEST_PAIRS
    assert sign * found.correlation > 0.85
    assert 0.7 < sign * found.slope < 1.3
