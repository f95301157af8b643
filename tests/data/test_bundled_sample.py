from __future__ import annotations

import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.io import read

from ocp_dc.data.readers.npz import NpzSource
from ocp_dc.data.sample import sample_path, slab_sample_path


def test_the_sample_is_ethanol_in_ev() -> None:
    source = NpzSource(sample_path(), "rmd17", "eV")
    assert len(source) == 2000
    assert sorted(source[0].numbers.tolist()) == [1] * 6 + [6, 6, 8]
    energies = np.array([source[i].energy for i in range(len(source))])
    # Of 9 atoms at 500 K the potential energy varies by about kT sqrt(21/2): 0.14 eV; in kcal/mol it would be 3.2.
    assert 0.07 < energies.std() < 0.28


def test_the_forces_are_the_slope_of_the_energy() -> None:
    """Along a trajectory with a frame every 10 fs, energy changes follow the forces only roughly, but surely."""
    source = NpzSource(sample_path(), "rmd17", "eV")
    expected, seen = [], []
    for i in range(0, 400):
        first, second = source[i], source[i + 1]
        step = second.positions - first.positions
        expected.append(-0.5 * np.sum((first.forces + second.forces) * step))
        seen.append(second.energy - first.energy)
    assert np.corrcoef(expected, seen)[0, 1] > 0.5


def test_the_slabs_have_what_catalysis_data_have() -> None:
    frames = read(slab_sample_path(), ":")
    assert len(frames) == 300
    assert slab_sample_path().stat().st_size < 500_000
    assert [(atoms.info["sid"], atoms.info["fid"]) for atoms in frames] == [(s, f) for s in range(60) for f in range(5)]
    assert {element for atoms in frames for element in atoms.symbols} == set("Ag Au Cu Ni Pd Pt H C N O".split())
    for atoms in frames:
        tags = atoms.get_tags()
        assert (np.bincount(tags) == [8, 4, len(atoms) - 12]).all()
        assert len(atoms) in (13, 14)
        assert atoms.pbc.all()
        np.testing.assert_array_equal(atoms.constraints[0].index, np.flatnonzero(tags == 0))
        assert atoms.positions[tags == 2, 2].min() > atoms.positions[tags == 1, 2].max()


def test_the_slabs_labels_are_emts() -> None:
    """Energy and forces of fixed atoms too, without the constraint: those of another evaluation, and of the slope."""
    for atoms in read(slab_sample_path(), "::60"):
        stored, slope = atoms.calc.results, atoms.copy()
        slope.set_constraint()
        slope.calc = EMT()
        assert slope.get_potential_energy() == pytest.approx(stored["energy"], abs=1e-9)
        np.testing.assert_allclose(slope.get_forces(), stored["forces"], rtol=0, atol=1e-9)
        step, energies = 1e-4, []
        for sign in (1, -1):
            slope.positions[0, 2] += sign * step
            energies.append(slope.get_potential_energy())
            slope.positions[0, 2] -= sign * step
        assert stored["forces"][0, 2] == pytest.approx((energies[1] - energies[0]) / (2 * step), rel=1e-4, abs=1e-4)
