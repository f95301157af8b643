from __future__ import annotations

import os
import pickle
from pathlib import Path

import lmdb
import pytest
import torch
from torch_geometric.data import Data

from ocp_dc.data.lmdb_io import write_lmdb
from ocp_dc.data.lmdb_reader import CHECKSUMS, LmdbReader, Record, _inherited, keep_inherited
from ocp_dc.errors import UserError


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
    write_lmdb(path, (Data(pos=torch.ones(2, 3), natoms=2, sid=i) for i in range(3)))
    reader = LmdbReader(path)
    assert reader.stat()["entries"] == 4  # with length
    stored = reader.get(key)
    assert stored is not None
    for at in range(0, len(stored), 7):
        reader.close()
        change(path, key, stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :])
        with pytest.raises(UserError, match=r"data\.lmdb: record 1: does not fit its checksum.*'ocp_dc_crc32'"):
            reader.get(key)
    assert reader.get(b"0") is not None
    reader.close()
    change(path, CHECKSUMS.encode(), None)  # as the message says
    assert LmdbReader(path).get(key) is not None
    change(path, CHECKSUMS.encode(), b"damaged")
    with pytest.raises(UserError, match=r"data\.lmdb: key 'ocp_dc_crc32': damaged"):
        LmdbReader(path).get(key)


def test_records_after_those_with_checksums_are_read(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "data.lmdb", [])
    change(tmp_path / "data.lmdb", b"0", b"appended")
    assert LmdbReader(tmp_path / "data.lmdb").get(b"0") == b"appended"
