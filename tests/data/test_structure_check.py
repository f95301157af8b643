from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule

from ocp_dc.core.errors import UserError
from ocp_dc.data.structure_check import check_labels, check_structure, closest_pair

WATER = molecule("H2O")
CELL = 10.0 * np.eye(3)


def check(numbers=WATER.numbers, positions=WATER.positions, cell=None, pbc=None) -> None:
    check_structure(numbers, positions, cell, pbc, "set/data.lmdb: record 7")


def test_what_is_meant_passes():
    check()
    check(pbc=np.zeros(3, dtype=bool))
    check(numbers=np.array([2]), positions=np.zeros((1, 3)))
    for atoms in (bulk("Cu"), bulk("NaCl", "rocksalt", a=5.64), fcc111("Pt", (1, 1, 3), vacuum=8.0)):
        check(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
    slab = fcc111("Pt", (2, 2, 2))  # ase gives it no third vector
    assert not slab.cell.array[2].any()
    check(slab.numbers, slab.positions, slab.cell.array, slab.pbc)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numbers": np.array([], dtype=int), "positions": np.zeros((0, 3))}, "has no atoms"),
        ({"numbers": np.array([8, 1, 0])}, "got atomic number 0"),
        ({"numbers": np.array([8, 119, 1])}, "got atomic number 119"),
        ({"positions": WATER.positions[:2]}, r"positions have shape \(2, 3\), expected \(3, 3\)"),
        ({"positions": np.full((3, 3), np.nan)}, "positions are NaN or infinite"),
        ({"positions": WATER.positions + 1e12}, r"coordinate of 1e\+12 Å"),
        ({"positions": WATER.positions[[0, 1, 1]]}, "atoms 1 and 2 are 0 Å apart"),
        ({"pbc": np.array([True, True, False])}, "periodic .pbc T T F. without a cell"),
        ({"pbc": np.ones(3, bool), "cell": np.zeros((3, 3))}, "its cell vector 1 is zero"),
        ({"pbc": np.ones(3, bool), "cell": np.diag([9.0, 9.0, 0.0])}, "its cell vector 3 is zero"),
        ({"pbc": np.ones(3, bool), "cell": np.array([[9, 0, 0], [0, 9, 0], [9, 9, 0.0]])}, "span no volume"),
        ({"pbc": np.ones(3, bool), "cell": np.nan * CELL}, "the cell is NaN or infinite"),
        ({"pbc": np.ones(3, bool), "cell": 1e6 * CELL}, r"cell vector of 1e\+07 Å"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_file_and_record(changes, message):
    with pytest.raises(UserError, match=rf"^set/data\.lmdb: record 7: .*{message}"):
        check(**changes)


def test_atoms_on_top_of_each_other_through_the_boundary():
    positions = np.array([[0.01, 5, 5], [9.99, 5, 5], [5, 5, 5]])
    check(positions=positions, cell=CELL, pbc=np.zeros(3, dtype=bool))
    with pytest.raises(UserError, match=r"atoms 0 and 1 are 0\.02 Å apart"):
        check(positions=positions, cell=CELL, pbc=np.ones(3, dtype=bool))


@pytest.mark.parametrize(
    ("energy", "forces"), [(np.nan, None), (None, np.array([[np.inf, 0, 0]])), (0.0, [[0, 1e30, 0]])]
)
def test_labels_that_cannot_be_meant(energy, forces):
    with pytest.raises(UserError, match=r"record 7: (energy|forces): "):
        check_labels(energy, forces, "record 7")


def test_labels_that_are_meant():
    check_labels(-4.0e5, np.full((3, 3), 200.0), "")
    check_labels(None, np.zeros((0, 3)), "")


@pytest.mark.parametrize("pairs_at_once", [1, 30, 10**6])
def test_closest_pair_is_what_brute_force_finds(monkeypatch, pairs_at_once):
    monkeypatch.setattr("ocp_dc.data.structure_check.PAIRS_AT_ONCE", pairs_at_once)
    positions = np.random.default_rng(0).uniform(0, 10, (17, 3))
    images = np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ CELL
    pairs = list(itertools.combinations(range(17), 2))
    free = [np.linalg.norm(positions[i] - positions[j]) for i, j in pairs]
    periodic = [np.linalg.norm(positions[i] - positions[j] + images, axis=1).min() for i, j in pairs]
    for expected, boundaries in ((free, ()), (periodic, (CELL, np.ones(3, dtype=bool)))):
        pair, distance = closest_pair(positions, *boundaries)
        assert pair == pairs[int(np.argmin(expected))]
        assert distance == pytest.approx(min(expected))
    assert closest_pair(positions[:1])[1] == np.inf
