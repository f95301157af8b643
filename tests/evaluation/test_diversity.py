"""The descriptor's invariances, and farthest points against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from ocp_dc.evaluation.diversity import BINS, CUTOFF, SPACING, descriptors, farthest_points, histograms

from tests.helpers.harmonic_predictor import clusters


def brute_force(points: np.ndarray, count: int, first: int) -> list[int]:
    chosen = [first]
    while len(chosen) < count:
        left = [index for index in range(len(points)) if index not in chosen]
        scores = [min(float(np.linalg.norm(points[i] - points[j])) for j in chosen) for i in left]
        chosen.append(left[int(np.argmax(scores))])
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_farthest_points(seed):
    points = np.random.default_rng(seed).normal(0, 1, (30, 4))
    points[7] = points[3]  # the same twice
    for first, count in ((0, 1), (3, 12), (29, 30)):
        chosen, distances = farthest_points(points, count, first)
        assert chosen == brute_force(points, count, first)
        assert distances[0] == np.inf
        for rank in range(1, count):
            expected = min(np.linalg.norm(points[chosen[rank]] - points[j]) for j in chosen[:rank])
            assert distances[rank] == pytest.approx(expected)


def slow_histogram(atoms: Atoms, a: int, b: int) -> np.ndarray:
    """Sum over all pairs of atoms and images, with a hat function for each bin."""
    centers = SPACING * np.arange(1, BINS + 1)
    found = np.zeros(BINS)
    images = [image for image in itertools.product(range(-3, 4), repeat=3) if not np.any(image * ~atoms.pbc)]
    for i, j in itertools.product(range(len(atoms)), repeat=2):
        if sorted((atoms.numbers[i], atoms.numbers[j])) != [a, b]:
            continue
        for image in images:
            d = np.linalg.norm(atoms.positions[j] + np.array(image) @ atoms.cell.array - atoms.positions[i])
            if 0 < d < CUTOFF:
                hat = np.clip(1 - np.abs(d - centers) / SPACING, 0, None)
                found += hat * 0.5 * (1 + np.cos(np.pi * d / CUTOFF)) / 2  # each pair is met twice
    return found / len(atoms)


@pytest.mark.parametrize("name", ["cluster", "crystal"])
def test_histograms_against_a_sum_over_pairs(name):
    atoms = clusters(9, largest=8)[7] if name == "cluster" else bulk("NaCl", "rocksalt", a=5.0, cubic=True)
    if name == "crystal":
        atoms.rattle(0.1, seed=1)
    found = histograms(atoms)
    numbers = sorted(set(atoms.numbers.tolist()))
    assert set(found) >= {(z,) for z in numbers}
    for pair in itertools.combinations_with_replacement(numbers, 2):
        expected = slow_histogram(atoms, *pair)
        np.testing.assert_allclose(found.get(pair, np.zeros(BINS)), expected, atol=1e-12)


def test_the_descriptor_is_invariant_and_continuous():
    atoms = clusters(9, largest=8)[7]
    turned = atoms[np.random.default_rng(0).permutation(len(atoms))]
    turned.rotate(70, (1, 2, 3))
    turned.translate([3.0, -1.0, 2.0])
    moved = atoms.copy()
    moved.positions[0] += 1e-6
    first, second, third = descriptors([atoms, turned, moved])
    np.testing.assert_allclose(second, first, atol=1e-12)
    assert 0 < np.abs(third - first).max() < 1e-5


def test_a_part_that_a_structure_lacks_is_zero():
    table = descriptors([Atoms("H"), Atoms("HO", [[0, 0, 0], [0, 0, 1]])])
    assert table.shape == (2, 2 + BINS)
    assert table[0].tolist() == [1.0] + [0.0] * (BINS + 1)  # the share of H, the pair, the share of O
