"""Molecules across boundaries, against brute force over many cells."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, graphene, molecule
from numpy.typing import NDArray

from ocp_dc.core.errors import UserError
from ocp_dc.data.boundaries import complete_cell, image_distance, make_whole, stored_positions, with_vacuum
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.readers.ase_files import atoms_frame

BOXES = {
    "cubic": np.eye(3) * 12,
    "skewed": np.array([[12.0, 0, 0], [14, 12, 0], [20, -15, 12]]),  # not reduced: shorter vectors span the same
    "flat": np.array([[12.0, 0, 0], [132, 12, 0], [0, 0, 12]]),  # 1.1 Å high along its first vector
    "left-handed": np.array([[0, 0, 13.0], [0, 12, 1], [11, 3, 0]]),
}
PBC = [np.array(flags, dtype=bool) for flags in product([False, True], repeat=3)]


def distances(positions: NDArray) -> NDArray:
    return np.linalg.norm(positions[:, None] - positions[None], axis=-1)


def torn(atoms: Atoms, cell: NDArray, pbc: NDArray, rng: np.random.Generator) -> NDArray:
    """Positions moved somewhere as a whole, then each atom by whole cell vectors."""
    return atoms.positions + rng.uniform(-30, 30, 3) + (rng.integers(-3, 4, (len(atoms), 3)) * pbc) @ cell


@pytest.mark.parametrize("pbc", PBC[1:])
@pytest.mark.parametrize("box", BOXES)
def test_a_torn_molecule_is_put_together(box: str, pbc: NDArray) -> None:
    rng, cell, atoms = np.random.default_rng(0), BOXES[box], molecule("CH3CH2OH")
    for _ in range(3):
        positions = torn(atoms, cell, pbc, rng)
        whole = make_whole(positions, cell, pbc)
        np.testing.assert_allclose(distances(whole.positions), atoms.get_all_distances(), rtol=0, atol=1e-9)
        cells = (whole.positions - positions) @ np.linalg.inv(cell)  # each atom moved by whole cell vectors
        np.testing.assert_allclose(cells, np.round(cells), rtol=0, atol=1e-9)
        assert not np.round(cells)[:, ~pbc].any()
        assert whole.is_molecule
        assert whole.longest_edge == pytest.approx(1.512, abs=1e-3)  # the bond between the carbons
        if box == "flat":
            continue  # no molecule fits into it
        placed = stored_positions(positions, cell, pbc)
        np.testing.assert_allclose(distances(placed), atoms.get_all_distances(), rtol=0, atol=1e-9)
        fractional = (placed @ np.linalg.inv(cell))[:, pbc]
        assert fractional.min() >= 0
        assert fractional.max() < 1


def test_image_distances_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        cell = np.diag(rng.uniform(3, 9, 3)) + rng.normal(size=(3, 3)) * 1.5
        positions, pbc = rng.normal(size=(rng.integers(1, 7), 3)) * 2, PBC[rng.integers(1, 8)]
        cells = [n for n in product(*(range(-6, 7) if p else (0,) for p in pbc)) if any(n)]
        images = positions[None] + (np.array(cells) @ cell)[:, None]  # (cells, n, 3)
        expected = np.linalg.norm(images[:, :, None] - positions, axis=-1).min()
        assert image_distance(positions, cell, pbc) == pytest.approx(expected, rel=1e-12)
    assert image_distance(positions, cell, PBC[0]) == np.inf


@pytest.mark.parametrize(
    "atoms",
    [bulk("NaCl", "rocksalt", a=5.64), bulk("Cu", cubic=True), fcc111("Cu", (2, 2, 3), vacuum=8.0), graphene(vacuum=5)],
)
def test_what_goes_on_through_the_boundary_is_no_molecule(atoms: Atoms) -> None:
    atoms.pbc = True
    atoms.rattle(0.05, seed=0)
    atoms.positions += [1.0, -7.0, 2.0]
    assert not make_whole(atoms.positions, atoms.cell.array, atoms.pbc).is_molecule
    wrapped = atoms.copy()
    wrapped.wrap(eps=0)
    np.testing.assert_allclose(
        stored_positions(atoms.positions, atoms.cell.array, atoms.pbc), wrapped.positions, rtol=0, atol=0
    )


def test_a_molecule_too_large_for_its_cell_is_folded() -> None:
    chain = Atoms("C10", [[1.34 * i, 0.67 * i, 0] for i in range(10)], cell=[10.0, 20.0, 20.0], pbc=True)
    assert make_whole(chain.positions, chain.cell.array, chain.pbc).is_molecule
    placed = stored_positions(chain.positions, chain.cell.array, chain.pbc)
    assert placed[:, 0].max() < 10
    assert placed[:, 0].min() >= 0


def test_nothing_is_folded_where_nothing_is_periodic() -> None:
    positions = molecule("CH3CH2OH").positions - 40.0
    np.testing.assert_array_equal(stored_positions(positions, BOXES["cubic"], PBC[0]), positions)
    np.testing.assert_array_equal(
        stored_positions(positions + np.array([55, 55, 0]), BOXES["cubic"], PBC[6])[:, 2], positions[:, 2]
    )


@pytest.mark.parametrize("pbc", [PBC[0], PBC[6], PBC[2]])
def test_far_from_the_origin_single_precision_keeps_the_shape(pbc: NDArray) -> None:
    atoms = molecule("CH3CH2OH")
    atoms.set_cell(BOXES["cubic"])
    atoms.positions += 5.0 + 5000.0 * ~pbc
    atoms.pbc = pbc
    data = to_data(atoms_frame(atoms, 0.0, np.zeros((9, 3))), sid=0)
    np.testing.assert_allclose(distances(data.pos.numpy()), atoms.get_all_distances(), rtol=0, atol=3e-6)


@pytest.mark.parametrize("pbc", PBC)
def test_vacuum_keeps_images_away_and_the_periodic_vectors(pbc: NDArray) -> None:
    rng = np.random.default_rng(1)
    positions, cell = rng.uniform(-5, 5, (6, 3)), BOXES["skewed"].copy()
    cell[~pbc] = 0
    made = with_vacuum(cell, pbc, positions, 7.0)
    np.testing.assert_array_equal(made[pbc], cell[pbc])
    np.testing.assert_allclose(made[~pbc] @ cell[pbc].T, 0, atol=1e-9)
    for axis in np.flatnonzero(~pbc):
        assert image_distance(positions, made, np.arange(3) == axis) >= 7.0 - 1e-9
    np.testing.assert_array_equal(complete_cell(cell, pbc, positions)[pbc], cell[pbc])
    assert abs(np.linalg.det(complete_cell(cell, pbc, positions))) > 1


def test_a_given_vector_stays_and_a_missing_one_is_made() -> None:
    np.testing.assert_array_equal(complete_cell(BOXES["skewed"], PBC[6], np.zeros((1, 3))), BOXES["skewed"])
    slab = fcc111("Cu", (2, 2, 2), vacuum=4.0)
    slab.pbc, slab.cell[2] = (True, True, False), 0
    data = to_data(atoms_frame(slab, 0.0, np.zeros((8, 3))), sid=0)
    np.testing.assert_allclose(data.cell[0, :2].numpy(), slab.cell.array[:2], rtol=1e-6)
    assert torch.linalg.det(data.cell[0]).abs() > 1
    np.testing.assert_allclose(data.pos[:, 2].numpy(), slab.positions[:, 2], rtol=1e-6)


@pytest.mark.parametrize("zero", [[0], [2], [0, 1, 2]])
def test_a_periodic_direction_needs_a_cell_vector(zero: list[int]) -> None:
    atoms = molecule("CH3CH2OH")
    atoms.set_cell(BOXES["skewed"])
    atoms.cell[zero] = 0
    atoms.pbc = True
    with pytest.raises(UserError, match=rf"structure 3: periodic .* cell vector {zero[0] + 1} is zero"):
        to_data(atoms_frame(atoms, 0.0, np.zeros((9, 3))), sid=3)
