from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write as ase_write

from ocp_dc.core.errors import UserError
from ocp_dc.data import layouts
from ocp_dc.data.oc20_lmdb.lmdb_check import check_lmdb
from ocp_dc.data.prepare import prepare
from ocp_dc.data.readers import md17_download
from ocp_dc.data.splits import random_split
from ocp_dc.testing.tolerances import FLOAT32_LABEL

KCAL = units.kcal / units.mol
FRAMES = 12
SPLIT = {"train": 6, "val": 3, "test": 2}
NPZ: dict[str, Any] = {"format": "rmd17", "units": "kcal/mol", **SPLIT, "seed": 3, "progress": False}


@pytest.fixture
def water(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "water.npz"
    np.savez(
        path,
        nuclear_charges=np.array([8, 1, 1]),
        coords=rng.normal(size=(FRAMES, 3, 3)),
        energies=rng.normal(-48_000.0, 1.0, size=FRAMES),
        forces=rng.normal(size=(FRAMES, 3, 3)),
    )
    return path


def records(path: Path) -> list[Any]:
    with lmdb.open(str(path), subdir=False, readonly=True, lock=False) as env, env.begin() as transaction:
        length = pickle.loads(transaction.get(b"length"))
        return [pickle.loads(transaction.get(str(i).encode())) for i in range(length)]


def test_every_label_arrives_in_ev(tmp_path: Path, water: Path) -> None:
    out = tmp_path / "new" / "out"
    prepare(water, out, **NPZ)
    relative, absolute = FLOAT32_LABEL
    with np.load(water) as stored, np.load(out / "split.npz", allow_pickle=False) as split:
        for name, asked in SPLIT.items():
            found = records(out / name / "data.lmdb")
            assert [record.sid for record in found] == split[name].tolist()
            assert len(found) == asked == check_lmdb(out / name)
            for record in found:
                assert record.y == stored["energies"][record.sid] * KCAL
                forces = stored["forces"][record.sid] * KCAL
                np.testing.assert_allclose(record.force.numpy(), forces, rtol=relative, atol=absolute)
                positions = stored["coords"][record.sid]
                np.testing.assert_allclose(record.pos.numpy(), positions, rtol=relative, atol=absolute)
            with np.load(out / name / "metadata.npz") as metadata:
                assert metadata["natoms"].tolist() == [3] * asked
        for name, expected in random_split(FRAMES, **SPLIT, seed=3)._asdict().items():
            np.testing.assert_array_equal(split[name], expected)


def test_dataset_json(tmp_path: Path, water: Path) -> None:
    returned = prepare(water, tmp_path / "out", **NPZ)
    stored = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert stored == returned
    assert stored["file"] == "water.npz"
    assert stored["sha256"] == hashlib.sha256(water.read_bytes()).hexdigest()
    assert (stored["format"], stored["units"]) == ("rmd17", "kcal/mol")
    assert (stored["source_count"], stored["counts"], stored["seed"]) == (FRAMES, SPLIT, 3)
    assert (stored["elements"], stored["formula"]) == (["H", "O"], "H2O")
    energies = [record.y for record in records(tmp_path / "out" / "train" / "data.lmdb")]
    summary = stored["energy_eV"]["train"]
    assert (summary["min"], summary["max"]) == (min(energies), max(energies))
    relative, _ = FLOAT32_LABEL
    assert summary["mean"] == pytest.approx(np.mean(energies), rel=relative)


def test_structures_of_any_size_through_ase(tmp_path: Path) -> None:
    made = []
    for n in (1, 2, 3, 2):
        atoms = Atoms("H" * n, positions=np.arange(3.0 * n).reshape(n, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=-float(n), forces=np.zeros((n, 3)))
        made.append(atoms)
    ase_write(tmp_path / "a.traj", made)
    description = prepare(tmp_path / "a.traj", tmp_path / "out", format="ase", train=4, val=0, test=0, progress=False)
    assert (description["units"], description["formula"]) == ("eV", None)
    assert [-record.y for record in records(tmp_path / "out/train/data.lmdb")] == [
        record.natoms for record in records(tmp_path / "out/train/data.lmdb")
    ]


def test_no_folder_for_an_empty_split(tmp_path: Path, water: Path) -> None:
    (tmp_path / "out").mkdir()  # an existing empty folder is fine
    prepare(water, tmp_path / "out", **NPZ | {"val": 0, "test": 0})
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["dataset.json", "split.npz", "train"]


def test_the_same_seed_makes_the_same_data(tmp_path: Path, water: Path) -> None:
    for name in ("a", "b"):
        prepare(water, tmp_path / name, **NPZ)
    a, b = (records(tmp_path / name / "train" / "data.lmdb") for name in ("a", "b"))
    assert [str(record.to_dict()) for record in a] == [str(record.to_dict()) for record in b]
    for file in ("split.npz", "dataset.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(
    tmp_path: Path, water: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    write = layouts.WRITERS["oc20"]

    def fail_at_the_second(folder: Path, *arguments: Any) -> None:
        if folder.name == "val":
            raise failure
        write(folder, *arguments)

    monkeypatch.setitem(layouts.WRITERS, "oc20", fail_at_the_second)
    with pytest.raises(failure):
        prepare(water, tmp_path / "out", **NPZ)
    assert list(tmp_path.iterdir()) == [water]


def test_an_existing_folder_is_left_alone(tmp_path: Path, water: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(UserError, match="out: exists"):
        prepare(water, tmp_path / "out", **NPZ)
    with pytest.raises(UserError, match="exists"):
        prepare(water, water, **NPZ)
    assert (tmp_path / "out" / "mine").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units": None}, "expected --units eV"),
        ({"units": "kcal/l"}, "unknown energy unit"),
        ({"format": "rmd"}, "unknown format 'rmd'.*Did you mean 'rmd17'"),
        ({"format": "md17"}, "It has the layout of --format rmd17"),
        ({"train": 100}, "the source has 12"),
        ({"seed": -1}, "seed: got -1"),
    ],
)
def test_mistakes(tmp_path: Path, water: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(water, tmp_path / "out", **NPZ | changes)
    assert list(tmp_path.iterdir()) == [water]


def test_downloads(tmp_path: Path, water: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(name: str) -> Path:
        asked.append(name)
        return water

    monkeypatch.setattr(md17_download, "download_md17", download)
    description = prepare("download:revised ethanol", tmp_path / "out", **NPZ | {"units": None})
    assert asked == ["revised ethanol"]
    assert (description["source"], description["units"]) == ("download:revised ethanol", "kcal/mol")
    for src, changes in (("download:ethanol", {}), ("download:revised ethanol", {"units": "eV"})):
        with pytest.raises(UserError, match=r"this one comes in --format r?md17 --units kcal/mol"):
            prepare(src, tmp_path / "other", **NPZ | changes)
    assert len(asked) == 1


def test_progress_goes_to_stderr(tmp_path: Path, water: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(water, tmp_path / "out", **NPZ | {"progress": True})
    captured = capsys.readouterr()
    assert "11/11" in captured.err
    assert captured.out == ""


SPOILT = {
    "infinite positions": ({"coords": np.inf}, "positions are NaN or infinite"),
    "infinite forces": ({"forces": -np.inf}, "forces: NaN or infinite"),
    "NaN energies": (
        {"energies": np.nan},
        "energy: NaN or infinite|no energy",
    ),  # in an SQLite database, NaN is no value
    "positions of 1e12": ({"coords": 1e12}, r"coordinate of 1e\+12 Å"),
    "forces of 1e30": ({"forces": 1e30}, "forces: got .*e\\+"),
    "two atoms in one place": ({"coords": 0.0}, "atoms 0 and 1 are 0 Å apart"),
}


@pytest.mark.parametrize("kind", ["npz", "extxyz", "extxyz.gz", "traj", "db", "json", "aselmdb"])
@pytest.mark.parametrize("case", SPOILT)
def test_what_cannot_be_meant_is_refused_in_every_format(tmp_path: Path, water: Path, kind: str, case: str) -> None:
    """A value of frame 7 is spoilt: the message names file and frame."""
    (spoil,), message = SPOILT[case][0].items(), SPOILT[case][1]
    with np.load(water) as stored:
        arrays = dict(stored)
    arrays[spoil[0]][7].flat[:6] = spoil[1]
    if spoil[0] == "energies":
        arrays["energies"][7] = spoil[1]
    path = tmp_path / f"a.{kind}"
    if kind == "npz":
        np.savez(path, **arrays)
    else:
        made = [Atoms("OHH", positions) for positions in arrays["coords"]]
        for atoms, energy, forces in zip(made, arrays["energies"], arrays["forces"], strict=True):
            atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        save(path, made)
    arguments = NPZ | {"format": "rmd17" if kind == "npz" else "ase", "train": FRAMES, "val": 0, "test": 0}
    with pytest.raises(UserError, match=rf"a\.{kind}: frame 7.*({message})"):
        prepare(path, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def save(path: Path, made: list[Atoms]) -> None:
    if path.suffix in (".db", ".json", ".aselmdb"):
        with connect(path) as database:
            for atoms in made:
                database.write(atoms)
    else:
        ase_write(path, made)


def test_a_frame_without_atoms_is_refused(tmp_path: Path) -> None:
    empty = Atoms()
    empty.calc = SinglePointCalculator(empty, energy=0.0, forces=np.zeros((0, 3)))
    ase_write(tmp_path / "a.extxyz", [empty])
    with pytest.raises(UserError, match=r"a\.extxyz: frame 0: has no atoms"):
        prepare(tmp_path / "a.extxyz", tmp_path / "out", format="ase", train=1, val=0, test=0, progress=False)


def test_the_file_of_several_is_named(tmp_path: Path) -> None:
    made = [Atoms("H"), Atoms("H2", [[0, 0, 0], [0, 0, 0.01]])]
    for atoms in made:
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((len(atoms), 3)))
    for name in ("a.extxyz", "b.extxyz"):
        ase_write(tmp_path / name, made[:1] if name == "a.extxyz" else made)
    with pytest.raises(UserError, match=r"b\.extxyz: frame 1: atoms 0 and 1 are 0\.01 Å apart"):
        prepare(tmp_path, tmp_path / "out", format="ase", train=3, val=0, test=0, progress=False)


def test_an_option_without_effect(tmp_path: Path, water: Path) -> None:
    with pytest.raises(UserError, match="max_neighbors: got 5 without edges"):
        prepare(water, tmp_path / "out", **NPZ, max_neighbors=5)


def test_an_unknown_molecule(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown data set 'etanol'.*Did you mean 'ethanol'"):
        prepare("download:etanol", tmp_path / "out", **NPZ)
    with pytest.raises(UserError, match="this one comes in --format rmd17"):
        prepare("download:revised ethanol", tmp_path / "out", **NPZ | {"length_units": "bohr"})


def test_names_and_units_are_recorded(tmp_path: Path, water: Path) -> None:
    with np.load(water) as stored:
        renamed = {{"energies": "dft_energy", "forces": "dft_force"}.get(key, key): stored[key] for key in stored}
    np.savez(tmp_path / "a.npz", **renamed)
    keys = {"energy_key": "dft_energy", "forces_key": "dft_force", "length_units": "nm"}
    prepare(tmp_path / "a.npz", tmp_path / "out", **NPZ | keys)
    stored = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert {key: stored[key] for key in keys} == keys
    record = records(tmp_path / "out/train/data.lmdb")[0]
    np.testing.assert_allclose(record.pos.numpy(), 10 * renamed["coords"][record.sid], rtol=1e-6)
    np.testing.assert_allclose(record.force.numpy(), renamed["dft_force"][record.sid] * KCAL / 10, rtol=1e-6)
