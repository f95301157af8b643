"""Streams of files of every kind hold the structures, and everything that the file says of them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from ocp_dc.core.errors import UserError
from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path
from ocp_dc.data.structure_stream import StructureStream
from ocp_dc.data.structures import ReadOptions, open_structures


def oxides(count: int) -> list[Atoms]:
    rng = np.random.default_rng(5)
    made = []
    for index in range(count):
        atoms = bulk("MgO", "rocksalt", a=4.2) * (2, 1, 1)
        atoms.rattle(0.1, rng=rng)
        atoms.info["number"] = index
        results = {"energy": rng.normal(), "forces": rng.normal(size=(4, 3)), "stress": rng.normal(size=6)}
        atoms.calc = SinglePointCalculator(atoms, **results, magmom=1.5, magmoms=np.arange(4.0))
        made.append(atoms)
    return made


def read(path: Path, options: ReadOptions = ReadOptions(), first: int = 0) -> list[Atoms]:  # noqa: B008 - immutable
    with closing(StructureStream(path, options)) as stream:
        return [each.atoms for each in stream.structures(first)]


@pytest.mark.parametrize("name", ["a.xyz", "a.xyz.gz", "a.traj", "a.db"])
@pytest.mark.parametrize("first", [0, 2])
def test_files_of_ase(tmp_path, name, first):
    images = oxides(4)
    write(tmp_path / name, images)
    found = read(tmp_path / name, first=first)
    assert len(found) == 4 - first
    for atoms, image in zip(found, images[first:], strict=True):
        results = image.calc.results
        assert atoms.calc is None
        np.testing.assert_allclose(atoms.positions, image.positions, atol=1e-7)
        assert atoms.info["source_energy"] == pytest.approx(results["energy"])
        np.testing.assert_allclose(atoms.arrays["source_forces"], results["forces"], atol=1e-7)
        np.testing.assert_allclose(atoms.info["source_stress"], results["stress"], atol=1e-7)
        assert atoms.info["source_magmom"] == 1.5
        np.testing.assert_allclose(atoms.arrays["source_magmoms"], np.arange(4.0))
        if name != "a.db":
            assert atoms.info["number"] == image.info["number"]


@pytest.mark.parametrize("layout", ["oc20", "aselmdb"])
def test_data_sets_of_prepare(tmp_path, layout):
    write(tmp_path / "a.traj", oxides(5))
    prepare(tmp_path / "a.traj", tmp_path / "out", format="ase", train=3, val=2, test=0, to=layout, progress=False)
    for path in (tmp_path / "out" / "train", next((tmp_path / "out" / "train").glob("data.*"))):
        with closing(open_structures(path)) as source, closing(StructureStream(path)) as stream:
            assert stream.count == len(source) == 3
            for index, each in enumerate(stream.structures()):
                frame, atoms = source[index], each.atoms
                np.testing.assert_array_equal(atoms.positions, frame.positions)
                assert atoms.info["source_energy"] == frame.energy
                np.testing.assert_array_equal(atoms.arrays["source_forces"], frame.forces)
                assert (atoms.info["sid"], atoms.info["fid"]) == (frame.sid, frame.fid)


def test_npz_files_without_a_unit_have_no_labels():
    assert "source_energy" not in read(sample_path(), ReadOptions(), first=1998)[0].info
    labeled = read(sample_path(), ReadOptions(units="eV"), first=1998)
    assert len(labeled) == 2
    with closing(open_structures(sample_path(), ReadOptions(units="eV"))) as source:
        assert labeled[1].info["source_energy"] == source[1999].energy


def test_a_folder_of_files(tmp_path):
    for name in ("b.xyz", "a.xyz"):
        write(tmp_path / name, oxides(2))
    found = read(tmp_path)
    assert [(atoms.info["sid"], atoms.info["fid"]) for atoms in found] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_structure_that_is_not_plausible_is_named(tmp_path):
    images = oxides(3)
    images[1].positions[0] = images[1].positions[1]
    write(tmp_path / "a.xyz", images)
    with pytest.raises(UserError, match=r"a\.xyz: frame 1: atoms 0 and 1 are 0 Å apart"):
        read(tmp_path / "a.xyz")


def test_files_that_are_refused(tmp_path):
    (tmp_path / "a.xyz").write_text("")
    with pytest.raises(UserError, match=r"b\.xyz: no such file.*Did you mean 'a\.xyz'"):
        read(tmp_path / "b.xyz")
    with pytest.raises(UserError, match=r"a\.xyz"):
        read(tmp_path / "a.xyz")
    (tmp_path / "a.xyz").write_text("2\n\nH 0 0 0\nXq 0 0 1\n")
    with pytest.raises(UserError, match="unknown element symbol 'Xq'"):
        read(tmp_path / "a.xyz")


def test_stresses_by_name(tmp_path):
    atoms = oxides(1)[0]
    atoms.calc = None
    atoms.info |= {"REF_stress": np.arange(6.0), "virial": -np.eye(3) * 2 * atoms.cell.volume}
    write(tmp_path / "a.xyz", atoms)
    (guessed,) = read(tmp_path / "a.xyz")
    np.testing.assert_allclose(guessed.info["source_stress"], [2, 2, 2, 0, 0, 0], atol=1e-6)
    (named,) = read(tmp_path / "a.xyz", ReadOptions(stress_key="REF_stress", stress_units="GPa"))
    np.testing.assert_allclose(named.info["REF_stress"], np.arange(6.0) / 160.21766, rtol=1e-6)
    assert "source_stress" not in named.info
