from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from ocp_dc.core.errors import UserError
from ocp_dc.data.frames import Frame, molecule
from ocp_dc.data.oc20_lmdb import lmdb_io
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data, write_lmdb
from ocp_dc.testing.tolerances import FLOAT32_LABEL


def make_frame(n: int = 3) -> Frame:
    rng = np.random.default_rng(n)
    return Frame(
        numbers=np.arange(1, n + 1),
        positions=rng.normal(size=(n, 3)),
        energy=-4209.123456789012,
        forces=rng.normal(size=(n, 3)),
        cell=np.diag([5.0, 6.0, 7.0]),
        pbc=np.array([True, True, False]),
        fixed=np.arange(n) % 2,
        tags=np.arange(n) % 3,
    )


def read(path: Path) -> dict[str, Any]:
    with lmdb.open(str(path), subdir=False, readonly=True, lock=False) as env, env.begin() as transaction:
        return {bytes(key).decode("ascii"): pickle.loads(value) for key, value in transaction.cursor()}


def test_a_record_is_as_oc20_has_it() -> None:
    frame = make_frame()
    data = to_data(frame, sid=7)
    relative, absolute = FLOAT32_LABEL
    inside = frame.positions.copy()
    inside[:, :2] %= [5.0, 6.0]  # periodic along x and y
    for key, expected in {"pos": inside, "force": frame.forces, "cell": frame.cell[None]}.items():
        assert data[key].dtype == torch.float32
        np.testing.assert_allclose(data[key].numpy(), expected, rtol=relative, atol=absolute)
    assert type(data.y) is float
    assert data.y == frame.energy
    assert data.atomic_numbers.tolist() == [1, 2, 3]
    assert data.fixed.tolist() == [0, 1, 0]
    assert data.tags.tolist() == [0, 1, 2]
    assert data.pbc.tolist() == [[True, True, False]]
    assert (data.natoms, data.sid, data.fid) == (3, 7, 0)


def test_records_batch() -> None:
    batch = Batch.from_data_list([to_data(make_frame(n), sid=n) for n in (2, 3)])
    assert batch.pos.shape == (5, 3)
    assert batch.cell.shape == (2, 3, 3)
    assert batch.pbc.shape == (2, 3)
    assert batch.natoms.tolist() == [2, 3]


def test_a_record_does_not_hold_on_to_the_whole_source() -> None:
    positions = np.zeros((1000, 3, 3), dtype=np.float32)
    data = to_data(molecule(np.array([8, 1, 1]), positions[0], 0.0, positions[0]), sid=0)
    assert len(pickle.dumps(data)) < positions.nbytes / 4


@pytest.mark.parametrize("per_transaction", [1, 3, 1000])
def test_keys_length_and_metadata(tmp_path: Path, per_transaction: int) -> None:
    path = tmp_path / "data.lmdb"
    sizes = [2, 3, 4, 3, 2, 1, 5]
    samples = (to_data(make_frame(n), sid=i) for i, n in enumerate(sizes))
    assert write_lmdb(path, samples, per_transaction) == len(sizes)
    stored = read(path)
    assert stored.pop("length") == len(sizes)
    assert sorted(stored, key=int) == [str(i) for i in range(len(sizes))]
    records = [stored[str(i)] for i in range(len(sizes))]
    assert all(isinstance(record, Data) for record in records)
    assert [record.sid for record in records] == list(range(len(sizes)))
    assert [record.natoms for record in records] == sizes
    with np.load(tmp_path / "metadata.npz", allow_pickle=False) as metadata:
        assert metadata["natoms"].dtype == np.int64
        assert metadata["natoms"].tolist() == sizes
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.lmdb", "metadata.npz"]


def test_the_map_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_io, "FIRST_MAP_SIZE", 1 << 15)
    path = tmp_path / "data.lmdb"
    assert write_lmdb(path, (to_data(make_frame(), sid=i) for i in range(100)), 10) == 100
    assert path.stat().st_size > 2 * (1 << 15)
    stored = read(path)
    assert [stored[str(i)].sid for i in range(100)] == list(range(100))


def test_records_are_made_one_transaction_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    made_at_put = []
    put = lmdb_io._put

    def samples() -> Iterator[Data]:
        nonlocal made
        for made in range(1, 13):
            yield to_data(make_frame(), sid=made)

    def watched(env: lmdb.Environment, records: dict[str, bytes]) -> None:
        made_at_put.append(made)
        put(env, records)

    monkeypatch.setattr(lmdb_io, "_put", watched)
    write_lmdb(tmp_path / "data.lmdb", samples(), 5)
    assert made_at_put == [5, 10, 12, 12]  # the last puts the length


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "data.lmdb"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"data\.lmdb: exists"):
        write_lmdb(path, [])
    assert path.read_text() == "mine"
