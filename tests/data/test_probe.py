"""The structure that every model can compute."""

from __future__ import annotations

from ase import Atoms

from ocp_dc.data.probe import PROBE_EDGES, probe_frame


def test_it_is_a_molecule_without_symmetry() -> None:
    frame = probe_frame()
    atoms = Atoms(frame.numbers, frame.positions)
    bonds = [atoms.get_distance(i, i + 1) for i in range(3)]
    assert min(bonds) > 0.9
    assert max(bonds) < 1.5
    assert all(90 < atoms.get_angle(i, i + 1, i + 2) < 120 for i in range(2))
    assert atoms.get_all_distances().max() < PROBE_EDGES
    assert 30 < atoms.get_dihedral(0, 1, 2, 3) % 180 < 150
