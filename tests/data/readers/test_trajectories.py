from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import iread, write

from ocp_dc.core.errors import UserError
from ocp_dc.data.prepare import prepare
from ocp_dc.data.readers import trajectories
from ocp_dc.data.readers.ase_files import AseSource
from ocp_dc.data.readers.trajectories import AseFiles, structure_files
from ocp_dc.data.sample import slab_sample_path


def frames_of(systems: int) -> list[list[Atoms]]:
    """The slabs by system, without the numbers that the sample gives them."""
    frames = list(iread(slab_sample_path(), f":{5 * systems}"))
    for atoms in frames:
        atoms.info.clear()
    return [frames[5 * k : 5 * k + 5] for k in range(systems)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three trajectories, one in a subfolder, and a file that is none."""
    out = tmp_path / "trajectories"
    (out / "more").mkdir(parents=True)
    first, second, third = frames_of(3)
    write(out / "a.traj", first)
    write(out / "b.extxyz", second[:3], columns=["symbols", "positions", "forces", "move_mask", "tags"])
    with connect(out / "more" / "c.db") as database:
        for atoms in third[:2]:
            database.write(atoms)
    (out / "notes.txt").write_text("mine")
    return out


def test_a_folder_numbers_files_and_frames(folder: Path) -> None:
    files = structure_files([folder])
    assert [file.relative_to(folder).as_posix() for file in files] == ["a.traj", "b.extxyz", "more/c.db"]
    source = AseFiles(files)
    identities = [(frame.sid, frame.fid) for frame in (source[index] for index in range(len(source)))]
    assert identities == [(0, f) for f in range(5)] + [(1, f) for f in range(3)] + [(2, f) for f in range(2)]
    expected = [atoms for system, n in zip(frames_of(3), (5, 3, 2), strict=True) for atoms in system[:n]]
    for index in (9, 0, 6):
        frame, atoms = source[index], expected[index]
        assert frame.energy == pytest.approx(atoms.calc.results["energy"], abs=1e-6)
        np.testing.assert_allclose(frame.forces, atoms.calc.results["forces"], atol=1e-6)
        np.testing.assert_array_equal(frame.tags, atoms.get_tags())
        np.testing.assert_array_equal(frame.fixed, atoms.get_tags() == 0)
        np.testing.assert_allclose(frame.cell, atoms.cell, atol=1e-6)
        assert frame.pbc.all()
    source.close()


def test_few_files_stay_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trajectories, "OPEN_FILES", 1)
    source = AseFiles(structure_files([folder]))
    for index in (0, 9, 0, 5, 9):
        assert source[index].natoms in (13, 14)
        assert len(source._open) <= 1
    source.close()


@pytest.mark.parametrize("kind", ["traj", "db", "extxyz"])
def test_numbers_in_the_file_win(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    atoms = Atoms("H", info={"sid": 1391625, "fid": 59})
    atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((1, 3)))
    if kind == "db":
        connect(path).write(atoms, sid=1391625, fid=59)
    else:
        write(path, atoms)
    for source in (AseSource(path), AseFiles([path])):
        assert (source[0].sid, source[0].fid) == (1391625, 59)
        source.close()


def test_anything_but_two_whole_numbers_is_no_identity(tmp_path: Path) -> None:
    for info in ({"sid": "random1", "fid": 3}, {"sid": 1}, {"sid": -1, "fid": 0}):
        atoms = Atoms("H", info=info)
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((1, 3)))
        write(tmp_path / "a.traj", atoms)
        source = AseFiles([tmp_path / "a.traj"])
        assert (source[0].sid, source[0].fid) == (0, 0)
        source.close()


def test_compressed_text(folder: Path) -> None:
    text = (folder / "b.extxyz").read_bytes()
    (folder / "d.extxyz.gz").write_bytes(gzip.compress(text))
    source = AseFiles([file for file in structure_files([folder]) if ".extxyz" in file.name])
    assert len(source) == 6
    np.testing.assert_array_equal(source[1].positions, source[4].positions)


def test_prepare_a_folder(folder: Path, tmp_path: Path) -> None:
    description = prepare(folder, tmp_path / "out", format="ase", train=6, val=2, test=2, progress=False)
    assert [entry["frames"] for entry in description["files"]] == [5, 3, 2]
    assert description["source_count"] == 10
    assert json.loads((tmp_path / "out" / "dataset.json").read_text()) == description


def test_mistakes(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no file of structures.*\.traj"):
        structure_files([tmp_path / "empty"])
    with pytest.raises(UserError, match=r"missing\.traj: no such file"):
        AseFiles([folder / "a.traj", folder / "missing.traj"])
    with pytest.raises(UserError, match=r"got a\.npz, b\.npz; --format rmd17 takes one"):
        prepare(["a.npz", "b.npz"], tmp_path / "o", format="rmd17", units="eV", train=1, val=0, test=0)
