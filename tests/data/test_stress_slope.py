from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from ocp_dc.data.frames import Frame, check_frame
from ocp_dc.data.plausibility import data_warnings
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.data.stress_slope import StressSlope
from ocp_dc.data.summary import Summary


def crystals(strain: float, rattle: float, count: int = 60) -> list[Frame]:
    """Return strained and rattled crystals with ase's effective medium theory, some atoms in other cells."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        atoms = bulk("Cu", cubic=True)
        tensor = rng.normal(0, strain, (3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + (tensor + tensor.T) / 2), scale_atoms=True)
        atoms.positions += rng.normal(0, rattle, (4, 3)) + rng.normal(size=3)
        atoms.positions += rng.integers(-1, 2, (4, 3)) @ atoms.cell.array
        atoms.calc = EMT()
        frame = atoms_frame(atoms, atoms.get_potential_energy(), atoms.get_forces())
        found.append(replace(frame, stress=atoms.get_stress()))
    return found


@pytest.fixture(scope="module")
def strained() -> list[Frame]:
    return crystals(0.03, 0.05)


def slope_of(frames: list[Frame]):
    slope = StressSlope()
    for frame in frames:
        slope.add(frame)
    return slope.result()


def warnings(frames: list[Frame], factor: float = 1.0) -> list[str]:
    summary = Summary()
    for index, frame in enumerate(frames):
        changed = replace(frame, stress=factor * frame.stress)
        summary.add("train", index, changed, check_frame(changed, "f"))
    return [each for each in data_warnings(summary, str) if "stress" in each]


def test_the_stress_is_the_slope(strained):
    found = slope_of(strained)
    assert 20 <= found.pairs <= 50
    assert found.correlation > 0.95
    assert found.slope == pytest.approx(1, abs=0.15)


def test_the_work_of_the_forces_counts(strained):
    opposite = slope_of([replace(frame, forces=-frame.forces) for frame in strained])
    assert opposite.correlation < 0.9


def test_too_little_to_compare(strained):
    assert slope_of(strained[:20]) is None
    assert slope_of(crystals(0.0, 0.05, count=25)) is None  # one cell
    assert slope_of([replace(frame, stress=None) for frame in strained]) is None


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (-1.0, "energies change against the stress .* Change its sign"),
        (0.1, "by .* times what the stress does: .* not in consistent units"),
        (2.0, "not in consistent units"),
        (160.2, r"root mean square of [0-9.]+ eV/Å³\. Are they in another unit\? \(--stress-units"),
        (0.0, "all 60 stresses are zero"),
    ],
)
def test_warnings(strained, factor, message):
    (found,) = warnings(strained, factor)
    assert re.search(message, found)


@pytest.mark.parametrize(("strain", "rattle"), [(0.03, 0.05), (0.01, 0.1), (0.002, 0.1)])
def test_no_false_alarms(strain, rattle):
    """Also where displacements disturb the comparison, as in molecular dynamics."""
    frames = crystals(strain, rattle)
    assert warnings(frames) == []
    rng = np.random.default_rng(0)
    assert warnings([replace(frame, stress=rng.normal(0, 0.05, 6)) for frame in frames]) == []
