"""Selections against scores that are computed otherwise."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase.constraints import FixAtoms, FixCartesian, FixCom, FixedPlane

from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.diversity import descriptors, farthest_points
from ocp_dc.evaluation.ensemble import EnsemblePredictor
from ocp_dc.evaluation.select import select_diverse, select_uncertain

from tests.helpers.harmonic_predictor import Harmonic, clusters

ENSEMBLE = EnsemblePredictor([Harmonic(1.0), Harmonic(3.0)], ["a", "b"])


@pytest.fixture(params=["xyz", "traj"])
def src(request, tmp_path):
    frames = clusters(20)
    frames[11].positions[-1] += 40.0  # the largest force is that of a fixed atom
    frames[11].set_constraint(FixAtoms([len(frames[11]) - 1]))
    path = tmp_path / f"in.{request.param}"
    ase.io.write(path, frames)
    return path


def test_the_most_uncertain(src, tmp_path):
    found = select_uncertain(ENSEMBLE, src, tmp_path / "out.xyz", 4, batch_size=3, progress=False)
    scores = []
    for atoms in ase.io.read(src, ":"):
        free = [i for i in range(len(atoms)) if not (atoms.constraints and i in atoms.constraints[0].index)]
        lengths = np.linalg.norm(atoms.positions, axis=1)
        scores.append(2 * (lengths[free] if free else lengths).max())  # |k - mean k| = 1
    expected = sorted(range(20), key=lambda index: -scores[index])[:4]
    assert found.indices == expected
    picked = ase.io.read(tmp_path / "out.xyz", ":")
    assert [atoms.info["source_index"] for atoms in picked] == expected
    frames = ase.io.read(src, ":")
    for atoms, index in zip(picked, expected, strict=True):
        assert atoms.info["uncertainty"] == pytest.approx(scores[index], rel=1e-6)
        np.testing.assert_allclose(atoms.positions, frames[index].positions, atol=1e-7)
        assert atoms.calc is None  # nothing in it looks like a label


@pytest.mark.parametrize(
    "constraint",
    [FixCom(), FixedPlane([0, 1, 2], (0, 0, 1)), FixCartesian([0], mask=(True, False, False))],
    ids=lambda constraint: type(constraint).__name__,
)
def test_atoms_of_other_constraints_are_free_as_in_evaluations(tmp_path, constraint):
    frames = clusters(6)
    ase.io.write(tmp_path / "free.traj", frames)
    for atoms in frames:
        atoms.set_constraint(constraint)
    ase.io.write(tmp_path / "in.traj", frames)
    found, free = (
        select_uncertain(ENSEMBLE, tmp_path / f"{name}.traj", tmp_path / f"{name}.xyz", 6, progress=False)
        for name in ("in", "free")
    )
    assert (found.indices, found.scores) == (free.indices, free.scores)


def test_the_most_diverse(src, tmp_path):
    found = select_diverse(src, tmp_path / "out.xyz", 5, seed=3, progress=False)
    again = select_diverse(src, tmp_path / "again.xyz", 5, seed=3, progress=False)
    assert (tmp_path / "out.xyz").read_bytes() == (tmp_path / "again.xyz").read_bytes()
    points = descriptors(ase.io.read(src, ":"))
    assert found.indices == again.indices == farthest_points(points, 5, found.indices[0])[0]
    picked = ase.io.read(tmp_path / "out.xyz", ":")
    assert [atoms.info["source_index"] for atoms in picked] == found.indices
    assert "distance" not in picked[0].info
    assert [atoms.info["distance"] for atoms in picked[1:]] == pytest.approx(found.scores[1:])
    others = {tuple(select_diverse(src, tmp_path / f"{s}.xyz", 5, seed=s, progress=False).indices) for s in range(5)}
    assert len(others) > 1


@pytest.mark.parametrize(
    ("count", "message"), [(0, "n: got 0"), (21, "n: got 21, expected at most 20"), (2.5, "n: got 2.5")]
)
def test_wrong_numbers(src, tmp_path, count, message):
    for call in (
        lambda: select_diverse(src, tmp_path / "out.xyz", count, progress=False),
        lambda: select_uncertain(ENSEMBLE, src, tmp_path / "out.xyz", count, progress=False),
    ):
        with pytest.raises(UserError, match=message):
            call()
    assert not (tmp_path / "out.xyz").exists()


def test_a_single_checkpoint_has_no_uncertainty(src, tmp_path):
    with pytest.raises(UserError, match="the uncertainty needs an ensemble"):
        select_uncertain(Harmonic(1.0), src, tmp_path / "out.xyz", 2, progress=False)


def test_an_existing_file_is_kept(src, tmp_path):
    (tmp_path / "out.xyz").write_text("mine")
    with pytest.raises(UserError, match="exists"):
        select_diverse(src, tmp_path / "out.xyz", 2, progress=False)
    assert (tmp_path / "out.xyz").read_text() == "mine"
