"""aselmdb files: written through ase-db-backends, read back by ase and by our reader with equal numbers."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.db import connect
from ase.io import write as ase_write

from ocp_dc.core.errors import UserError
from ocp_dc.data.ase_lmdb.labels import iterate_labels
from ocp_dc.data.ase_lmdb.reader import AseLmdbReader, check_aselmdb
from ocp_dc.data.ase_lmdb.rows import Row
from ocp_dc.data.ase_lmdb.writer import write_aselmdb
from ocp_dc.data.prepare import prepare

ROW: dict[str, Any] = {
    "numbers": np.array([1, 1]),
    "positions": np.eye(3)[:2],
    "cell": np.zeros((3, 3)),
    "pbc": [0] * 3,
}
LABELED = {**ROW, "energy": -1.5, "forces": np.eye(3)[:2]}


def slab(seed: int, stress: bool = True) -> Atoms:
    rng = np.random.default_rng(seed)
    cell = [[6.0, 0, 0], [1.0, 5, 0], [0.5, 0.25, 12]]
    scaled = rng.permutation(64)[: 3 + seed]
    grid = np.stack([scaled // 16, scaled // 4 % 4, scaled % 4], axis=1)
    atoms = Atoms("OCH" + "Cu" * seed, cell=cell, pbc=[True, True, False])
    atoms.set_scaled_positions((grid + rng.uniform(0.2, 0.5, size=grid.shape)) / 4)
    atoms.set_tags(rng.integers(0, 3, len(atoms)))
    atoms.set_constraint(FixAtoms(indices=[0, 2]))
    results: dict[str, Any] = {"energy": rng.normal(-1e5, 1), "forces": rng.normal(size=(len(atoms), 3))}
    if stress:
        results["stress"] = rng.normal(size=6) * 1e-3
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


@pytest.fixture
def slabs_folder(tmp_path: Path) -> tuple[Path, list[Atoms]]:
    made = [slab(seed) for seed in range(6)]
    ase_write(tmp_path / "slabs.traj", made)
    prepare(
        tmp_path / "slabs.traj", tmp_path / "out", format="ase", train=4, val=2, test=0, to="aselmdb", progress=False
    )
    return tmp_path / "out", made


def test_what_prepare_writes(slabs_folder: tuple[Path, list[Atoms]]) -> None:
    out, made = slabs_folder
    assert sorted(path.name for path in out.iterdir()) == ["dataset.json", "split.npz", "train", "val"]
    split = np.load(out / "split.npz")
    for name in ("train", "val"):
        assert sorted(path.name for path in (out / name).iterdir()) == ["data.aselmdb", "metadata.npz"]
        expected = [made[index] for index in split[name]]
        assert np.load(out / name / "metadata.npz")["natoms"].tolist() == [len(atoms) for atoms in expected]
        assert check_aselmdb(out / name) == len(expected)
        database = connect(out / name / "data.aselmdb", readonly=True, use_lock_file=False)
        with AseLmdbReader(out / name) as reader:
            for number, (index, atoms) in enumerate(zip(split[name], expected, strict=True)):
                row = database.get(number + 1)
                by_ase = row.toatoms()
                assert row.data == {"sid": index, "fid": 0}
                assert "user" not in row
                frame = reader.frame(number)
                assert (frame.sid, frame.fid) == (index, 0)
                for found in (by_ase.get_potential_energy(), frame.energy):
                    assert found == atoms.get_potential_energy()
                forces = atoms.get_forces(apply_constraint=False)
                for found in (by_ase.get_forces(apply_constraint=False), frame.forces):
                    np.testing.assert_array_equal(found, forces)
                for found in (by_ase.get_stress(), frame.stress):
                    np.testing.assert_array_equal(found, atoms.get_stress())
                for found in (by_ase.constraints[0].index, np.flatnonzero(frame.fixed)):
                    assert found.tolist() == [0, 2]
                for found in (by_ase.get_tags(), frame.tags):
                    np.testing.assert_array_equal(found, atoms.get_tags())
                for found in (by_ase.pbc, frame.pbc):
                    assert found.tolist() == [True, True, False]
                for found in (by_ase.cell.array, frame.cell):
                    np.testing.assert_array_equal(found, atoms.cell.array)
                scaled = np.linalg.solve(atoms.cell.array.T, (frame.positions - atoms.positions).T)
                np.testing.assert_allclose(scaled, np.round(scaled), atol=1e-12)
        labels = list(iterate_labels(out / name))
        for (numbers, energy, forces), atoms in zip(labels, expected, strict=True):
            assert numbers.tolist() == atoms.numbers.tolist()
            assert energy == atoms.get_potential_energy()
            free = [atom for atom in range(len(atoms)) if atom not in (0, 2)]
            np.testing.assert_array_equal(forces, atoms.get_forces(apply_constraint=False)[free])


def test_both_layouts_hold_the_same_structures(tmp_path: Path, ethanol: Path) -> None:
    from ocp_dc.data.sample import sample_path

    out = tmp_path / "out"
    prepare(sample_path(), out, format="rmd17", units="eV", train=40, val=10, test=10, to="aselmdb", progress=False)
    for file in ("split.npz",):
        for name, indices in np.load(out / file).items():
            assert indices.tolist() == np.load(ethanol / file)[name].tolist()
    description = json.loads((out / "dataset.json").read_text())
    assert description.pop("layout") == "aselmdb"
    assert description == json.loads((ethanol / "dataset.json").read_text())


def test_stress_of_other_units_is_not_kept(tmp_path: Path) -> None:
    ase_write(tmp_path / "a.xyz", [slab(0), slab(1)])
    options: dict[str, Any] = {"format": "ase", "train": 2, "val": 0, "test": 0, "to": "aselmdb", "progress": False}
    description = prepare(tmp_path / "a.xyz", tmp_path / "kcal", units="kcal/mol", **options)
    assert any("stress" in note for note in description["notes"])
    description = prepare(tmp_path / "a.xyz", tmp_path / "ev", **options)
    assert not any("stress" in note for note in description["notes"])
    for name, kept in (("kcal", False), ("ev", True)):
        with AseLmdbReader(tmp_path / name / "train") as reader:
            frames = {frame.natoms: frame for frame in reader}
        for made in (slab(0), slab(1)):
            stress = frames[len(made)].stress
            assert (stress is not None) == kept
            if stress is not None:
                np.testing.assert_allclose(stress, made.get_stress(), rtol=1e-7)


def test_prepare_reads_aselmdb_files(slabs_folder: tuple[Path, list[Atoms]], tmp_path: Path) -> None:
    folder, made = slabs_folder
    database = connect(tmp_path / "other.aselmdb")  # as ase writes it
    for number, atoms in enumerate(made):
        database.write(atoms, key_value_pairs={"sid": 7, "fid": number})
    del database
    (tmp_path / "other.aselmdb-lock").unlink()
    options: dict[str, Any] = {"format": "ase", "val": 0, "test": 0, "to": "aselmdb", "progress": False}
    prepare(tmp_path / "other.aselmdb", tmp_path / "one", train=6, **options)
    prepare(folder / "train", tmp_path / "two", train=4, **options)
    assert [path.name for path in (folder / "train").iterdir() if "lock" in path.name] == []
    assert not (tmp_path / "other.aselmdb-lock").exists()
    by_energy = {atoms.get_potential_energy(): atoms for atoms in made}
    for name in ("one", "two"):
        with AseLmdbReader(tmp_path / name / "train") as reader:
            for frame in reader:
                atoms = by_energy[frame.energy]
                np.testing.assert_array_equal(frame.forces, atoms.get_forces(apply_constraint=False))
                np.testing.assert_array_equal(frame.stress, atoms.get_stress())
                np.testing.assert_array_equal(frame.tags, atoms.get_tags())
                assert np.flatnonzero(frame.fixed).tolist() == [0, 2]
                if name == "one":
                    assert (frame.sid, frame.fid) == (7, made.index(atoms))


def test_options_that_cannot_be_meant(tmp_path: Path) -> None:
    ase_write(tmp_path / "a.traj", [slab(0)])
    options: dict[str, Any] = {"format": "ase", "train": 1, "val": 0, "test": 0, "progress": False}
    with pytest.raises(UserError, match=r"unknown layout \(--to\) 'aselmbd'.*Did you mean 'aselmdb'"):
        prepare(tmp_path / "a.traj", tmp_path / "out", to="aselmbd", **options)
    with pytest.raises(UserError, match=r"edges: got 6\.0 with --to aselmdb"):
        prepare(tmp_path / "a.traj", tmp_path / "out", to="aselmdb", edges=6.0, **options)
    assert not (tmp_path / "out").exists()
    (tmp_path / "data.aselmdb").write_bytes(b"mine")
    with pytest.raises(UserError, match="exists"):
        write_aselmdb(tmp_path / "data.aselmdb", [])
    assert (tmp_path / "data.aselmdb").read_bytes() == b"mine"


def test_many_rows_and_several_files(tmp_path: Path) -> None:
    for name, count in (("a", 30), ("b", 20)):
        rows = (Row({**LABELED, "energy": float(i)}, {"sid": f"{name}{i}"}) for i in range(count))
        assert write_aselmdb(tmp_path / f"{name}.aselmdb", rows) == [2] * count
    with AseLmdbReader(tmp_path) as reader:
        assert [frame.energy for frame in reader] == [*range(30), *range(20)]
        assert reader.where(30) == f"{tmp_path / 'b.aselmdb'}: row 1"
    database = connect(tmp_path / "a.aselmdb")  # as ase opens it
    database.delete([3, 7])
    database.write(Atoms("H"), data={})
    del database
    with AseLmdbReader(tmp_path / "a.aselmdb") as reader:
        assert [reader.row(i).get("energy") for i in range(len(reader))] == [
            *(float(i) for i in range(30) if i not in (2, 6)),
            None,
        ]


def put(path: Path, key: str, value: Any, compress: bool = True) -> None:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    with lmdb.open(str(path), subdir=False, lock=False) as env, env.begin(write=True) as transaction:
        transaction.put(key.encode(), zlib.compress(text) if compress else text)


def array(shape: list[int], dtype: str, numbers: list[Any]) -> dict[str, Any]:
    return {"__ndarray__": [shape, dtype, numbers]}


GOOD = {"numbers": [1, 1], "positions": [[0, 0, 0], [0, 0, 1]], "cell": [[0] * 3] * 3, "pbc": [False] * 3}
ENERGY = {**GOOD, "energy": -1.0, "forces": [[0, 0, 0]] * 2}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"not JSON", "row 1: damaged"),
        (b"[" * 100_000, "row 1: damaged"),
        ([1], "a list, expected a dict"),
        ({**ENERGY, "positions": array([10**12, 3], "float64", [1.0])}, "1000000000000, 3.* has 1 numbers"),
        ({**ENERGY, "positions": array([2, 3], "object", ["x"] * 6)}, "damaged"),
        ({**ENERGY, "energy": "low"}, "energy holds 'low'; expected numbers"),
        ({**ENERGY, "energy": float("nan")}, "energy: NaN or infinite"),
        ({**ENERGY, "forces": [[0, 0, 0]]}, "energy has shape .* and forces"),
        (GOOD, "has no energy; it has cell, numbers, pbc, positions"),
        ({"energy": 1}, "has no numbers"),
        ({**ENERGY, "constraints": [{"name": "FixAtoms", "kwargs": {"indices": [5]}}]}, "FixAtoms names atoms"),
        ({**ENERGY, "positions": [[0, 0, 0], [0, 0, 0]]}, "apart"),
    ],
)
def test_damaged_rows(tmp_path: Path, row: Any, message: str) -> None:
    write_aselmdb(tmp_path / "data.aselmdb", [Row(LABELED, {})])
    put(tmp_path / "data.aselmdb", "1", row)
    with pytest.raises(UserError, match=rf"(?s)data\.aselmdb: row 1.*{message}|{message}"):
        list(iterate_labels(tmp_path))


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "data.aselmdb"
    with pytest.raises(UserError, match=r"no \*\.aselmdb file in this folder"):
        check_aselmdb(tmp_path)
    write_aselmdb(path, [Row(LABELED, {})] * 50)
    with pytest.raises(UserError, match=r"no such file.*Did you mean 'data\.aselmdb'"):
        check_aselmdb(tmp_path / "data.aslmdb")
    assert check_aselmdb(path) == 50
    put(path, "1", b"no zlib", compress=False)
    with pytest.raises(UserError, match="row 1: damaged"):
        check_aselmdb(path)
    put(path, "nextid", 10**9)
    with pytest.raises(UserError, match="nextid is 1000000000"):
        check_aselmdb(path)
    path.write_bytes(path.read_bytes()[:8192])
    with pytest.raises(UserError, match="cut short"):
        check_aselmdb(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="empty"):
        check_aselmdb(path)


def test_an_empty_data_set(tmp_path: Path) -> None:
    assert write_aselmdb(tmp_path / "data.aselmdb", []) == []
    with pytest.raises(UserError, match="nextid: missing"):
        check_aselmdb(tmp_path)


def test_a_row_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocp_dc.data.ase_lmdb.reader.LARGEST_ROW", 1000)
    write_aselmdb(tmp_path / "data.aselmdb", [Row({**LABELED, "more": np.zeros(5000)}, {})])
    with pytest.raises(UserError, match="more than 1000 bytes"):
        check_aselmdb(tmp_path)


def test_without_torch_geometric_or_fairchem(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["torch_geometric"] = sys.modules["fairchem"] = None
from ocp_dc.core.errors import UserError
from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path, slab_sample_path
from ocp_dc.data.ase_lmdb.labels import iterate_labels
import ocp_dc.data.convert, ocp_dc.data.oc20_lmdb.lmdb_check, ocp_dc.data.readers.ase_files
import ocp_dc.evaluation.predictions, ocp_dc.evaluation.report, ocp_dc.labels, ocp_dc.plotting.parity
counts = dict(train=4, val=1, test=1, progress=False)
prepare(sample_path(), r"{tmp_path}/a", format="rmd17", units="eV", to="aselmdb", **counts)
prepare(slab_sample_path(), r"{tmp_path}/b", format="ase", to="aselmdb", **counts)
for name in "ab":
    print(len(list(iterate_labels(fr"{tmp_path}/{{name}}/train"))))
for source, to in ((sample_path(), "oc20"), ("download:ethanol", "aselmdb")):
    try:
        prepare(source, r"{tmp_path}/c", format="rmd17", units="eV", to=to, **counts)
    except UserError as error:
        print("needs torch-geometric" in str(error) and "pip install torch-geometric" in str(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["4", "4", "True", "True"], done.stderr
    assert not (tmp_path / "c").exists()
