"""Data sets of fairchem 1 become those of fairchem 2, and the other way round, with the same numbers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch
from ase.db import connect
from torch_geometric.data import Data

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.data.ase_lmdb.reader import AseLmdbReader
from ocp_dc.data.convert import convert_dataset, is_dataset

from tests.helpers.oc20_files import of_oc22, relaxations, write_shards
from tests.helpers.oc20_files import slabs as make_slabs


def rows(path: Path) -> list[Any]:
    database = connect(path, readonly=True, use_lock_file=False)
    return [database.get(index + 1) for index in range(len(database))]


@pytest.mark.parametrize(("pyg", "length"), [(1, False), (2, True)])
def test_shards_of_oc20(tmp_path: Path, pyg: int, length: bool) -> None:
    samples = make_slabs(7)
    samples[3].cell = samples[3].cell.double() + 1e-9  # more digits than single precision has
    samples[3].force = samples[3].force.double() / 3
    samples[4].pos = samples[4].pos.double() + 1e-9
    src = write_shards(tmp_path / "oc20", samples, shards=3, pyg=pyg, length=length)
    assert is_dataset(src)
    assert convert_dataset(src, tmp_path / "out", progress=False) == 7
    names = [f"data.{number:04d}.aselmdb" for number in range(3)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [*names, "metadata.npz"]
    assert np.load(tmp_path / "out" / "metadata.npz")["natoms"].tolist() == [sample.natoms for sample in samples]
    found = [row for name in names for row in rows(tmp_path / "out" / name)]
    for row, sample in zip(found, samples, strict=True):
        assert row.energy == sample.y
        np.testing.assert_array_equal(row.forces, sample.force.double().numpy())
        np.testing.assert_array_equal(row.positions, sample.pos.double().numpy())
        np.testing.assert_array_equal(row.cell, sample.cell[0].double().numpy())
        np.testing.assert_array_equal(row.numbers, sample.atomic_numbers.numpy())
        np.testing.assert_array_equal(row.tags, sample.tags.numpy())
        assert row.constraints[0].index.tolist() == sample.fixed.nonzero().flatten().tolist()
        assert row.pbc.tolist() == [True] * 3  # OC20 says nothing, and means this
        assert row.data == {"sid": int(sample.sid), "fid": int(sample.fid)}


def test_total_energies_of_oc22(tmp_path: Path) -> None:
    samples = of_oc22(make_slabs(3))
    for sample in samples:
        sample.y = -612.3456789 + sample.sid
    convert_dataset(write_shards(tmp_path / "oc22", samples, shards=1), tmp_path / "out", progress=False)
    for row, sample in zip(rows(tmp_path / "out" / "data.0000.aselmdb"), samples, strict=True):
        assert row.energy == sample.y
        assert row.data == {"sid": sample.sid, "fid": sample.fid, "oc22": 1, "nads": 1}


def test_relaxations_have_no_labels(tmp_path: Path) -> None:
    samples = relaxations(2)
    convert_dataset(write_shards(tmp_path / "is2re", samples, shards=1), tmp_path / "out", progress=False)
    for row, sample in zip(rows(tmp_path / "out" / "data.0000.aselmdb"), samples, strict=True):
        assert "energy" not in row
        assert row.data["y_relaxed"] == sample.y_relaxed
        assert row.data["y_init"] == sample.y_init


def test_there_and_back(tmp_path: Path, ethanol: Path, slabs: Path) -> None:
    for source in (ethanol, slabs):
        there, back = tmp_path / source.parent.name, tmp_path / f"{source.parent.name}-back"
        assert convert_dataset(source, there, progress=False) == convert_dataset(there, back, progress=False)
        assert sorted(path.name for path in there.iterdir()) == sorted(path.name for path in source.iterdir())
        for file in ("dataset.json", "split.npz", "train/metadata.npz"):
            assert (back / file).read_bytes() == (source / file).read_bytes()
        for name in ("train", "val", "test"):
            found, expected = (records(folder / name / "data.lmdb") for folder in (back, source))
            assert len(found) == len(expected)
            for one, other in zip(found, expected, strict=True):
                for key, value in other.to_dict().items():
                    assert torch.equal(one[key], value) if torch.is_tensor(value) else one[key] == value, key


def records(path: Path) -> list[Any]:
    with lmdb.open(str(path), subdir=False, readonly=True, lock=False) as env, env.begin() as transaction:
        length = pickle.loads(transaction.get(b"length"))
        return [pickle.loads(transaction.get(str(i).encode())) for i in range(length)]


@pytest.mark.parametrize(
    ("cell", "pbc", "expected"),
    [
        (None, None, [False] * 3),
        (np.zeros((3, 3)), None, [False] * 3),
        (np.eye(3) * 9, None, [True] * 3),
        (np.diag([9.0, 9.0, 0.0]), [True, True, False], [True, True, False]),
    ],
)
def test_boundaries(tmp_path: Path, cell: Any, pbc: Any, expected: list[bool]) -> None:
    data = Data(pos=torch.tensor([[0.1, 0, 0], [0.1, 0, 1]]), atomic_numbers=torch.tensor([1, 1]), natoms=2, y=-1.0)
    if cell is not None:
        data.cell = torch.tensor(cell)
    if pbc is not None:
        data.pbc = torch.tensor(pbc)
    convert_dataset(write_shards(tmp_path / "in", [data], shards=1), tmp_path / "out", progress=False)
    (row,) = rows(tmp_path / "out" / "data.0000.aselmdb")
    assert row.pbc.tolist() == expected
    if any(expected):
        assert abs(np.linalg.det(row.cell)) > 0.1  # fairchem 2 refuses less
        np.testing.assert_array_equal(row.cell[:2], cell[:2])


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_mistakes_leave_nothing(tmp_path: Path, ethanol: Path) -> None:
    out = tmp_path / "out"
    src = write_shards(tmp_path / "in", make_slabs(2), shards=1)
    with pytest.raises(UserError, match="no such file"):
        convert_dataset(tmp_path / "im", out, progress=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no \*\.lmdb or \*\.aselmdb file"):
        convert_dataset(tmp_path / "empty", out, progress=False)
    assert not is_dataset(tmp_path / "empty")
    (src / "other.aselmdb").touch()
    with pytest.raises(UserError, match="expected one kind"):
        convert_dataset(src, out, progress=False)
    (src / "other.aselmdb").unlink()
    with lmdb.open(str(src / "data.0000.lmdb"), subdir=False, lock=False) as env, env.begin(write=True) as transaction:
        transaction.put(b"1", pickle.dumps(Bomb(tmp_path / "boom")))
    with pytest.raises(UnsafeDataError, match=r"record 1: refused"):
        convert_dataset(src, out, progress=False)
    assert not (tmp_path / "boom").exists()
    assert not out.exists()
    with pytest.raises(UserError, match="exists"):
        convert_dataset(ethanol, src, progress=False)


def test_bad_labels_are_refused(tmp_path: Path) -> None:
    samples = make_slabs(2)
    samples[1].force[0, 0] = torch.nan
    src = write_shards(tmp_path / "in", samples, shards=1)
    with pytest.raises(UserError, match=r"data\.0000\.lmdb: record 1: forces: NaN or infinite"):
        convert_dataset(src, tmp_path / "out", progress=False)


def test_without_torch_geometric(tmp_path: Path) -> None:
    src = write_shards(tmp_path / "in", make_slabs(3))
    code = f"""
import sys
sys.modules["torch_geometric"] = None
from ocp_dc.data.convert import convert_dataset
print(convert_dataset(r"{src}", r"{tmp_path}/out", progress=False))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "3", done.stderr
    with AseLmdbReader(tmp_path / "out") as reader:
        assert [frame.energy for frame in reader] == [sample.y for sample in make_slabs(3)]
