"""Any file of structures becomes a data set of a host, once, whole or not at all."""

from __future__ import annotations

import dataclasses
import multiprocessing
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from ocp_dc.core.errors import UserError
from ocp_dc.data import dataset_cache
from ocp_dc.data.dataset_cache import KEYS, as_dataset, as_splits, count_structures, read_options
from ocp_dc.data.prepare import prepare
from ocp_dc.data.structures import ReadOptions, open_structures

KCAL = 0.0433641153087705


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OCP_DC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "datasets"


def water(path: Path, count: int = 5, seed: int = 0, forces: bool = True) -> Path:
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        atoms = molecule("H2O")
        atoms.rattle(0.05, rng=rng)
        labels = {"forces": rng.normal(size=(3, 3))} if forces else {}
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), **labels)
        images.append(atoms)
    write(path, images)
    return path


def energies(path: Path) -> list[float]:
    with closing(open_structures(path)) as source:
        return [source[index].energy for index in range(len(source))]


@pytest.mark.parametrize(("layout", "file"), [("oc20", "data.lmdb"), ("aselmdb", "data.aselmdb")])
def test_a_file_is_converted_once(tmp_path: Path, cache: Path, layout: str, file: str) -> None:
    path = water(tmp_path / "my water.xyz")
    found = as_dataset(path, layout)
    assert sorted(each.name for each in found.iterdir()) == [file, "metadata.npz"]
    assert energies(found) == energies(path)
    written = (found / file).stat().st_mtime_ns
    assert as_dataset(str(path), layout) == found
    assert as_dataset(found, layout) == found
    assert as_dataset(found / file, layout) == found / file
    assert (found / file).stat().st_mtime_ns == written
    copy = tmp_path / "other"
    copy.mkdir()
    assert as_dataset(water(copy / "my water.xyz"), layout) == found  # the content counts, not the place
    assert len(list(cache.iterdir())) == 1


def test_content_options_and_version_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = water(tmp_path / "a.xyz")
    first = as_dataset(path, "oc20")
    kcal = as_dataset(path, "oc20", ReadOptions(units="kcal/mol"))
    np.testing.assert_allclose(energies(kcal), np.array(energies(first)) * KCAL, rtol=1e-6)
    water(path, seed=1)
    changed = as_dataset(path, "oc20")
    assert energies(changed) == energies(path) != energies(first)
    monkeypatch.setattr(dataset_cache, "__version__", "0")
    assert len({first, kcal, changed, as_dataset(path, "oc20"), as_dataset(path, "aselmdb")}) == 5


def test_the_layout_of_the_other_host_and_folders(tmp_path: Path) -> None:
    path = water(tmp_path / "a.traj", 6)
    prepare(path, tmp_path / "out", format="ase", train=4, val=2, test=0, to="aselmdb", progress=False)
    with pytest.raises(UserError, match=r"holds 2 data set.*out/train"):
        as_dataset(tmp_path / "out", "oc20")
    found = as_dataset(tmp_path / "out" / "train", "oc20")
    assert energies(found) == energies(tmp_path / "out" / "train")
    (tmp_path / "more").mkdir()
    water(tmp_path / "more" / "b.xyz", 2, seed=3)
    water(tmp_path / "more" / "a.traj", 1, seed=4)
    assert len(energies(as_dataset(tmp_path / "more", "aselmdb"))) == 3
    assert count_structures(tmp_path / "more") == 3
    assert count_structures(tmp_path / "out" / "train") == count_structures(found) == 4


def test_an_lmdb_of_any_name_is_one(tmp_path: Path) -> None:
    found = as_dataset(water(tmp_path / "a.xyz"), "oc20")
    other = (found / "data.lmdb").rename(tmp_path / "data.mdb")
    assert as_dataset(other, "oc20") == other
    assert count_structures(other) == 5


def test_a_failure_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(UserError, match="no forces"):
        as_dataset(water(tmp_path / "a.xyz", forces=False), "oc20")
    assert not list(cache.rglob("data*"))
    assert as_dataset(tmp_path / "missing.xyz", "oc20") == tmp_path / "missing.xyz"


def _convert(path: Path) -> Path:
    return as_dataset(path, "aselmdb")


def test_several_processes_convert_once(tmp_path: Path, cache: Path) -> None:
    path = water(tmp_path / "a.xyz", 300)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        found = pool.map(_convert, [path] * 8)
    assert len(set(found)) == 1
    assert len(energies(found[0])) == 300
    assert not list(cache.rglob("*partial*"))


def test_splits_of_a_file_are_made_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = water(tmp_path / "water.xyz", 30)
    folder = as_splits(file, progress=False)
    sizes = {name: count_structures(folder / name) for name in ("train", "val", "test")}
    assert sizes == {"train": 24, "val": 3, "test": 3}
    monkeypatch.setattr(dataset_cache, "prepare", None)
    assert as_splits(file, progress=False) == folder
    assert as_splits(folder) == folder
    with pytest.raises(TypeError):
        as_splits(file, ReadOptions(units="kcal/mol"), progress=False)  # which is another data set


def test_likely_names_of_labels_are_found_for_splits(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = read(water(tmp_path / "water.xyz", 10), ":")
    energies = [atoms.get_potential_energy() for atoms in images]
    for atoms in images:
        atoms.info["REF_energy"], atoms.arrays["REF_forces"] = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
    write(tmp_path / "named.xyz", images)
    folder = as_splits(tmp_path / "named.xyz", progress=False)
    assert "REF_energy is read as the energy" in caplog.text
    with closing(open_structures(folder / "train")) as source:
        assert {round(source[index].energy, 6) for index in range(len(source))} < {round(e, 6) for e in energies}


def test_splits_need_enough_structures(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(UserError, match="2 or more"):
        as_splits(water(tmp_path / "water.xyz", 1), progress=False)
    assert not [path for path in cache.rglob("*.*mdb") if path.is_file()]
    with pytest.raises(UserError, match="no such file"):
        as_splits(tmp_path / "wader.xyz")


def test_options_of_a_block() -> None:
    assert ["format", *KEYS] == [field.name for field in dataclasses.fields(ReadOptions)]
    assert read_options({"units": "eV", "energy_key": None}, "dataset.train") == ReadOptions(units="eV")
    with pytest.raises(UserError, match="Did you mean 'units'"):
        read_options({"unit": "eV"}, "dataset.train")
    with pytest.raises(UserError, match="unknown energy unit"):
        read_options({"units": "kcal/mold"}, "dataset.train")
    with pytest.raises(UserError, match="energy_key"):
        read_options({"energy_key": 3}, "dataset.train")
