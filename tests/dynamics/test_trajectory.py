from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.io import read

from ocp_dc.core.errors import UserError
from ocp_dc.dynamics.trajectory import append_frame, cut_frames, frame_of


@pytest.fixture
def frames():
    found = []
    for number in range(4):
        atoms = molecule("CH3OH")
        atoms.positions[0, 0] += 0.1 * number
        atoms.set_momenta(np.full((6, 3), float(number)))
        atoms.calc = EMT()
        atoms.get_forces()
        found.append(frame_of(atoms, [FixAtoms([1])]))
    return found


@pytest.mark.parametrize("name", ["a.traj", "a.xyz", "a.extxyz"])
class TestTrajectory:
    def test_frames_are_readable_after_each(self, tmp_path, frames, name):
        for count, frame in enumerate(frames, start=1):
            append_frame(tmp_path / name, frame)
            found = read(tmp_path / name, ":")
            assert len(found) == count
        for frame, each in zip(frames, found, strict=True):
            np.testing.assert_allclose(each.positions, frame.positions, atol=1e-7)
            np.testing.assert_allclose(each.get_momenta()[0], frame.get_momenta()[0], atol=1e-7)
            np.testing.assert_allclose(each.get_forces(apply_constraint=False), frame.calc.results["forces"], atol=1e-7)
            assert each.get_potential_energy() == pytest.approx(frame.get_potential_energy())
            assert each.constraints[0].index.tolist() == [1]

    def test_cut_and_continued(self, tmp_path, frames, name):
        for frame in frames:
            append_frame(tmp_path / name, frame)
        whole = (tmp_path / name).read_bytes()
        with (tmp_path / name).open("ab") as file:
            file.write(whole[100:300])  # a frame that was cut off
        cut_frames(tmp_path / name, 2)
        assert len(read(tmp_path / name, ":")) == 2
        append_frame(tmp_path / name, frames[3])
        found = read(tmp_path / name, ":")
        assert [round(each.positions[0, 0] - frames[0].positions[0, 0], 6) for each in found] == [0, 0.1, 0.3]
        assert found[2].get_potential_energy() == pytest.approx(frames[3].get_potential_energy())
        cut_frames(tmp_path / name, 0)
        assert not (tmp_path / name).exists()

    def test_missing_frames_are_reported(self, tmp_path, frames, name):
        append_frame(tmp_path / name, frames[0])
        with pytest.raises(UserError, match="got 1 frames, expected 2"):
            cut_frames(tmp_path / name, 2)
        assert len(read(tmp_path / name, ":")) == 1
        (tmp_path / name).write_text("nonsense\n")
        with pytest.raises(UserError, match="cannot be continued"):
            cut_frames(tmp_path / name, 2)
        (tmp_path / name).unlink()
        with pytest.raises(UserError, match="cannot be continued"):
            cut_frames(tmp_path / name, 2)
