"""Structures of every kind of file are the same, with and without labels."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import read, write

from ocp_dc.core.errors import UserError
from ocp_dc.data.ase_lmdb.reader import AseLmdbReader
from ocp_dc.data.ase_lmdb.rows import Row
from ocp_dc.data.ase_lmdb.writer import write_aselmdb
from ocp_dc.data.frames import Frame
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data, write_lmdb
from ocp_dc.data.prepare import prepare
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.data.structures import ReadOptions, open_structures

from tests.helpers.oc20_files import relaxations, write_shards

KCAL = 0.0433641153087705
NO_OPTIONS = ReadOptions()


def oxides(count: int, labels: bool = True) -> list[Atoms]:
    rng = np.random.default_rng(5)
    made = []
    for _ in range(count):
        atoms = bulk("MgO", "rocksalt", a=4.2) * (2, 1, 1)
        atoms.rattle(0.1, rng=rng)
        if labels:
            atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), forces=rng.normal(size=(4, 3)))
        made.append(atoms)
    return made


def frames(path: Path, options: ReadOptions = NO_OPTIONS, labels: bool = True) -> list[Frame]:
    with closing(open_structures(path, options, labels)) as source:
        return [source[index] for index in range(len(source))]


def save(path: Path, images: list[Atoms]) -> Path:
    if path.suffix == ".db":
        database = connect(path)
        for atoms in images:
            database.write(atoms)
    else:
        write(path, images)
    return path


@pytest.mark.parametrize("name", ["a.xyz", "a.traj", "a.db", "a.xyz.gz"])
def test_files_of_ase(tmp_path: Path, name: str) -> None:
    images = oxides(3)
    for frame, atoms in zip(frames(save(tmp_path / name, images)), images, strict=True):
        assert frame.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-7)
        np.testing.assert_allclose(frame.forces, atoms.get_forces(), atol=1e-7)
        np.testing.assert_allclose(frame.positions, atoms.positions, atol=1e-7)
        assert frame.pbc.all()


@pytest.mark.parametrize("layout", ["oc20", "aselmdb"])
def test_data_sets_of_prepare(tmp_path: Path, layout: str) -> None:
    src = save(tmp_path / "a.traj", oxides(5))
    prepare(src, tmp_path / "out", format="ase", train=3, val=2, test=0, to=layout, progress=False)
    split = np.load(tmp_path / "out" / "split.npz")
    originals = frames(src)
    with pytest.raises(UserError, match=r"holds 2 data set.*out/train.*out/val"):
        open_structures(tmp_path / "out")
    for path in (tmp_path / "out" / "train", next((tmp_path / "out" / "train").glob("data.*"))):
        found = frames(path)
        for frame, index in zip(found, split["train"], strict=True):
            assert frame.energy == pytest.approx(originals[index].energy, abs=1e-12)
            np.testing.assert_allclose(frame.forces, originals[index].forces, atol=1e-6)
            shift = np.linalg.solve(frame.cell.T, (frame.positions - originals[index].positions).T)
            np.testing.assert_allclose(shift, np.round(shift), atol=1e-6)
            assert frame.sid == index


@pytest.mark.parametrize(
    "names", [("nuclear_charges", "coords", "energies", "forces"), ("z", "R", "E", "F"), ("z", "R", "U", "F")]
)
def test_layouts_of_npz_files_by_their_arrays(tmp_path: Path, names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    arrays = [np.array([8, 1, 1]), rng.normal(size=(4, 3, 3)), rng.normal(size=4), rng.normal(size=(4, 3, 3))]
    np.savez(tmp_path / "a.npz", **dict(zip(names, arrays, strict=True)))
    options = ReadOptions(units="kcal/mol", energy_key="U" if "U" in names else None)
    for number, frame in enumerate(frames(tmp_path / "a.npz", options)):
        assert frame.energy == pytest.approx(arrays[2][number] * KCAL, rel=1e-6)
        np.testing.assert_allclose(frame.forces, arrays[3][number] * KCAL, rtol=1e-6)
    with pytest.raises(UserError, match="--units"):
        frames(tmp_path / "a.npz", ReadOptions(energy_key=options.energy_key))
    with closing(open_structures(tmp_path / "a.npz", ReadOptions(), labels=False)) as source:
        assert np.isnan(source[0].energy)
        assert np.isnan(source[0].forces).all()
        assert any("Give --units" in note for note in source.notes())


def test_an_npz_file_without_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", z=np.array([8, 1, 1]), R=np.eye(3)[None] * 2)
    (frame,) = frames(tmp_path / "a.npz", labels=False)
    np.testing.assert_array_equal(frame.positions, np.eye(3) * 2)
    assert np.isnan(frame.energy)
    with pytest.raises(UserError, match="no E, F"):
        frames(tmp_path / "a.npz", ReadOptions(units="eV"))


@pytest.mark.parametrize("name", ["a.xyz", "a.traj", "a.db", "POSCAR"])
def test_missing_labels_are_nan(tmp_path: Path, name: str) -> None:
    (atoms,) = oxides(1, labels=False)
    path = save(tmp_path / name, [atoms])
    (frame,) = frames(path, labels=False)
    np.testing.assert_allclose(frame.positions, atoms.positions, atol=1e-7)
    assert np.isnan(frame.energy)
    assert frame.forces.shape == (4, 3)
    assert np.isnan(frame.forces).all()
    with pytest.raises(UserError, match="energ"):
        frames(path)


def test_labels_that_are_there_are_read(tmp_path: Path) -> None:
    images = [molecule("H2O"), molecule("H2O")]
    images[1].info["REF_energy"] = -3.5
    images[1].arrays["REF_forces"] = np.ones((3, 3))
    write(tmp_path / "a.xyz", images)
    first, second = frames(
        tmp_path / "a.xyz", ReadOptions(energy_key="REF_energy", forces_key="REF_forces"), labels=False
    )
    assert np.isnan(first.energy)
    assert np.isnan(first.forces).all()
    assert second.energy == -3.5
    assert (second.forces == 1).all()


def test_lmdb_labels_by_name(tmp_path: Path) -> None:
    samples = relaxations(3)
    folder = write_shards(tmp_path / "is2re", samples, shards=2)
    with pytest.raises(UserError, match="record 0: has no energy or y"):
        frames(folder)
    assert all(np.isnan(frame.energy) and np.isfinite(frame.forces).all() for frame in frames(folder, labels=False))
    found = frames(folder, ReadOptions(energy_key="y_relaxed"))
    assert [frame.energy for frame in found] == [sample.y_relaxed for sample in samples]
    assert all(frame.pbc.all() for frame in found)
    assert [frame.sid for frame in found] == [int(sample.sid) for sample in samples]
    with pytest.raises(UserError, match="Did you mean 'y_relaxed'"):
        frames(folder, ReadOptions(energy_key="y_relaxe"))


def test_several_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    one, other = save(tmp_path / "a.traj", oxides(2)), save(tmp_path / "more" / "b.xyz", oxides(1))
    with closing(open_structures([one, other])) as source:
        assert len(source) == 3
        assert source.where(2) == f"{other}: frame 0"
    assert len(frames(tmp_path)) == 3
    np.savez(tmp_path / "a.npz", z=np.array([1]), R=np.zeros((1, 1, 3)))
    with pytest.raises(UserError, match="one kind"):
        open_structures([one, tmp_path / "a.npz"])


def test_mistakes(tmp_path: Path) -> None:
    save(tmp_path / "ethanol.xyz", oxides(1))
    with pytest.raises(UserError, match=r"Did you mean 'ethanol\.xyz'"):
        open_structures(tmp_path / "etanol.xyz")
    with pytest.raises(UserError, match=r"unknown format 'mdl17'.*Did you mean 'md17'"):
        ReadOptions(format="mdl17")
    np.savez(tmp_path / "a.npz", q=np.ones(3))
    with pytest.raises(UserError, match=r"q \(3,\); expected the arrays z, R, E, F"):
        open_structures(tmp_path / "a.npz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no file of structures"):
        open_structures(tmp_path / "empty")


def test_a_poscar_that_declares_too_much(tmp_path: Path) -> None:
    write(tmp_path / "POSCAR", oxides(1)[0])
    text = (tmp_path / "POSCAR").read_text()
    lines = text.splitlines()
    lines[6] = "100000000000 2"
    (tmp_path / "POSCAR").write_text("\n".join(lines))
    with pytest.raises(UserError, match="declares 100000000002 atoms"):
        frames(tmp_path / "POSCAR", labels=False)
    assert len(read(save(tmp_path / "b.xyz", oxides(1)))) == 4


def test_labels_in_the_data_of_an_aselmdb_come_first(tmp_path: Path) -> None:
    atoms = oxides(1)[0]
    values = {"numbers": atoms.numbers, "positions": atoms.positions, "cell": atoms.cell.array, "pbc": atoms.pbc}
    labels = {"energy": -5.0, "forces": np.full((4, 3), 0.5)}
    write_aselmdb(tmp_path / "a.aselmdb", [Row({**values, "energy": 1.0}, {**labels, "sid": 3, "fid": 1})])
    with AseLmdbReader(tmp_path / "a.aselmdb") as reader:
        expected = reader.frame(0)
    for path in (tmp_path / "a.aselmdb", tmp_path):
        (found,) = frames(path)
        assert found.energy == expected.energy == -5.0
        np.testing.assert_array_equal(found.forces, expected.forces)
        assert (found.sid, found.fid) == (3, 1)


@pytest.mark.parametrize(("vectors", "pbc"), [((1, 1, 1), "FFF"), ((4, 4, 1), "TTF"), ((4, 5, 6), "TTT")])
def test_vectors_that_fairchem_makes_up_are_no_boundaries(tmp_path: Path, vectors: tuple[int, ...], pbc: str) -> None:
    atoms = Atoms("CO", [[0.0, 0.0, 0.0], [0.0, 0.0, 1.2]])
    data = to_data(atoms_frame(atoms, -1.0, np.zeros((2, 3))), sid=0)
    del data.pbc
    data.cell = torch.diag(torch.tensor(vectors, dtype=torch.float))[None]  # [1, 3, 3]
    write_lmdb(tmp_path / "data.lmdb", [data])
    assert frames(tmp_path)[0].pbc.tolist() == [flag == "T" for flag in pbc]
