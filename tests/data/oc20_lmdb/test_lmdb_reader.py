from __future__ import annotations

import os
import pickle
from pathlib import Path

import lmdb
import pytest
import torch
from torch_geometric.data import Data

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.lmdb_check import check_lmdb
from ocp_dc.data.oc20_lmdb.lmdb_io import write_lmdb
from ocp_dc.data.oc20_lmdb.lmdb_reader import LmdbReader, Record, _inherited, keep_inherited


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.lmdb"
    with lmdb.open(str(path), subdir=False, map_size=1 << 20, lock=False) as env, env.begin(write=True) as transaction:
        for key in (b"0", b"1", b"length"):
            transaction.put(key, b"value " + key)
    return path


def test_a_record_knows_its_file_and_number(path: Path) -> None:
    record = LmdbReader(path, first=10).begin().get(b"1")
    assert isinstance(record, Record)
    assert (record, record.where, record.number) == (b"value 1", f"{path}: record 1", 11)


def test_other_keys_and_counts(path: Path) -> None:
    reader = LmdbReader(path)
    assert reader.get(b"length") == b"value length"
    assert reader.get(b"none") is None
    assert reader.stat()["entries"] == 3
    with pytest.raises(UserError, match=r"a\.lmdb: record 7: missing; expected the keys '0', '1'"):
        reader.get(b"7")


def test_nothing_is_opened_before_it_is_read_and_a_closed_one_opens_again(path: Path) -> None:
    reader = LmdbReader(path)
    assert reader._environment is None
    reader.close()
    for _ in range(2):
        assert reader.get(b"0") == b"value 0"
        reader.close()
        assert reader._environment is None


def test_it_is_pickled_as_its_path(path: Path) -> None:
    reader = LmdbReader(path, first=3)
    reader.get(b"0")
    copy = pickle.loads(pickle.dumps(reader))
    assert copy._environment is None
    record = copy.get(b"0")
    assert (record, record.number) == (b"value 0", 3)


def test_two_readers_of_one_file(path: Path) -> None:
    """Validation and test may share a path."""
    one, two = LmdbReader(path), LmdbReader(path)
    assert one.get(b"0") == two.get(b"0")
    one.close()
    assert two.get(b"1") == b"value 1"


def test_an_environment_of_another_process_is_kept_and_neither_used_nor_closed(path: Path) -> None:
    reader = LmdbReader(path)
    reader.get(b"0")
    inherited = reader._environment
    reader._process = os.getpid() + 1  # as after a fork
    reader.close()
    assert reader.get(b"1") == b"value 1"
    assert reader._environment is not inherited
    assert _inherited[-1] is inherited
    assert inherited.stat()["entries"] == 3  # it is still open
    keep_inherited(None)
    assert None not in _inherited


def test_no_lmdb(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.lmdb: cannot be opened as an LMDB"):
        LmdbReader(tmp_path / "none.lmdb").get(b"0")


def change(path: Path, key: bytes, value: bytes | None) -> None:
    with lmdb.open(str(path), subdir=False, lock=False) as env, env.begin(write=True) as transaction:
        transaction.delete(key) if value is None else transaction.put(key, value)


def test_every_changed_byte_of_a_record_is_found(tmp_path: Path) -> None:
    path, key = tmp_path / "data.lmdb", b"1"
    write_lmdb(path, (Data(pos=torch.ones(2, 3), natoms=2, atomic_numbers=torch.ones(2)) for _ in range(2)))
    reader = LmdbReader(path)
    stored = reader.get(key)
    assert stored is not None
    assert pickle.loads(stored).pos.tolist() == [[1.0] * 3] * 2  # what other readers do
    for at in [*range(0, len(stored) - 12, 7), len(stored) - 1]:
        reader.close()
        change(path, key, stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :])
        for read in (lambda: reader.get(key), lambda: check_lmdb(path)):
            with pytest.raises(UserError, match=r"data\.lmdb: record 1: does not match its checksum"):
                read()
    assert reader.get(b"0") is not None


def test_a_record_in_the_place_of_another_is_found(tmp_path: Path) -> None:
    path = tmp_path / "data.lmdb"
    write_lmdb(path, (Data(pos=torch.ones(2, 3), natoms=2, sid=i) for i in range(2)))
    stored = LmdbReader(path).get(b"1")
    change(path, b"0", stored)
    with pytest.raises(UserError, match=r"record 0: does not match its checksum"):
        LmdbReader(path).get(b"0")


def test_records_that_others_write_have_no_checksum(tmp_path: Path) -> None:
    path = tmp_path / "data.lmdb"
    write_lmdb(path, [Data(natoms=2)])
    for value in (pickle.dumps(Data(natoms=3)), b"", b"short"):
        change(path, b"0", value)
        assert LmdbReader(path).get(b"0") == value
