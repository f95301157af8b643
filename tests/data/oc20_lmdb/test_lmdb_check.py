from __future__ import annotations

import os
import pickle
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.data.frames import molecule
from ocp_dc.data.oc20_lmdb.lmdb_check import check_lmdb
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data, write_lmdb


def write(path: Path, records: int = 5) -> Path:
    frame = molecule(np.array([8, 1, 1]), np.zeros((3, 3)), -1.0, np.zeros((3, 3)))
    write_lmdb(path, (to_data(frame, sid=i) for i in range(records)))
    return path


def put(path: Path, **values: bytes | None) -> Path:
    """Change records; None deletes one."""
    with lmdb.open(str(path), subdir=False, lock=False) as env, env.begin(write=True) as transaction:
        for key, value in values.items():
            name = key.lstrip("_").encode()
            transaction.delete(name) if value is None else transaction.put(name, value)
    return path


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_file_and_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "a.lmdb", 5)
    assert check_lmdb(path) == check_lmdb(tmp_path) == 5
    put(write(tmp_path / "b.lmdb", 2), length=None)  # fairchem then counts the entries
    assert check_lmdb(str(tmp_path)) == 7


def test_the_file_is_closed_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.lmdb")
    check_lmdb(path)
    with lmdb.open(str(path), subdir=False, readonly=True, lock=False) as env:  # lmdb 3 allows one at a time
        assert env.stat()["entries"] == 6  # with length
    assert check_lmdb(path) == 5


def test_missing(tmp_path: Path) -> None:
    write(tmp_path / "data.lmdb")
    with pytest.raises(UserError, match=r"dat\.lmdb: no such file.*Did you mean 'data\.lmdb'"):
        check_lmdb(tmp_path / "dat.lmdb")
    with pytest.raises(UserError, match=r"folder .*nowhere does not exist either"):
        check_lmdb(tmp_path / "nowhere" / "data.lmdb")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no \*\.lmdb file"):
        check_lmdb(tmp_path / "empty")


@pytest.mark.parametrize("content", [b"text, not an LMDB", bytes(20_000)])
def test_not_an_lmdb(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.lmdb"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.lmdb: cannot be opened as an LMDB"):
        check_lmdb(path)


def test_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.lmdb"
    path.touch()
    with pytest.raises(UserError, match=r"a\.lmdb: the file is empty"):
        check_lmdb(path)
    path.unlink()
    with pytest.raises(UserError, match=r"a\.lmdb: holds no records"):
        check_lmdb(write(path, 0))


def test_cut_short_anywhere(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.lmdb", 40).read_bytes()
    pages = len(whole) // 4096
    for kept in range(pages * 4096 - 1, 0, -4096 * 3):
        path = tmp_path / "cut.lmdb"
        path.write_bytes(whole[:kept])
        with pytest.raises(UserError, match=r"cut\.lmdb: (cut short|cannot be opened)"):
            check_lmdb(path)


@pytest.mark.parametrize("length", [10**9, 6, -1, 2.0, "5", None, True])
def test_wrong_length(tmp_path: Path, length: object) -> None:
    path = put(write(tmp_path / "a.lmdb"), length=pickle.dumps(length))
    with pytest.raises(UserError, match=r"a\.lmdb: 'length' is .*the file has 5 record"):
        check_lmdb(path)


def test_a_shorter_length_in_a_file_of_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = put(write(tmp_path / "a.lmdb"), length=pickle.dumps(4))
    assert check_lmdb(path) == 4
    assert "the first 4 of 5 records are read" in caplog.text


@pytest.mark.parametrize("key", ["length", "_0", "_4"])
def test_code_is_refused_and_not_run(tmp_path: Path, key: str) -> None:
    path = put(write(tmp_path / "a.lmdb"), **{key: pickle.dumps(Touch(tmp_path / "ran"))})
    with pytest.raises(UnsafeDataError, match=rf"a\.lmdb: .*{key.lstrip('_')}.*refused"):
        check_lmdb(path)
    assert not (tmp_path / "ran").exists()


def test_wrong_records(tmp_path: Path) -> None:
    path = write(tmp_path / "a.lmdb")
    with pytest.raises(UserError, match="record 4: lacks atomic_numbers, natoms; got pos"):
        check_lmdb(put(path, _4=pickle.dumps(Data(pos=torch.zeros(1, 3)))))
    with pytest.raises(UserError, match="record 4: damaged or cut short"):
        check_lmdb(put(path, _4=b"\x80"))
    with pytest.raises(UserError, match="record 4: a list; expected a torch_geometric Data"):
        check_lmdb(put(path, _4=pickle.dumps([1])))
    with pytest.raises(UserError, match="record 0: missing"):
        check_lmdb(put(path, _0=None, _x=b""))
