from __future__ import annotations

import numpy as np

from ocp_dc.data.npz import NpzSource
from ocp_dc.data.sample import sample_path


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
