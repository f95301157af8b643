from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.data.safe_npz import load_npz, npz_shapes


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_round_trip(tmp_path: Path, save: object) -> None:
    path = tmp_path / "a.npz"
    save(path, natoms=np.arange(3), name="x")
    assert list(npz_shapes(path)) == ["natoms", "name"]
    assert list(load_npz(path, ["name"])) == ["name"]
    np.testing.assert_array_equal(load_npz(path)["natoms"], np.arange(3))


def test_absent(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", natoms=1)
    with pytest.raises(UserError, match=r"a\.npz: no coeff; the file has natoms"):
        load_npz(tmp_path / "a.npz", ["coeff"])
    with pytest.raises(UserError, match=r"b\.npz: no such file"):
        load_npz(tmp_path / "b.npz")


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, good=1, natoms=np.array([Touch(tmp_path / "ran")], dtype=object))
    assert load_npz(path, ["good"])["good"] == 1
    with pytest.raises(UnsafeDataError, match="array 'natoms' holds Python objects"):
        load_npz(path)
    path.write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    with pytest.raises(UserError, match="not an npz file"):
        load_npz(path)
    assert not (tmp_path / "ran").exists()


def test_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, natoms=np.random.default_rng(0).normal(size=1000))
    whole = path.read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="not an npz file"):
            load_npz(path)
    path.write_bytes(whole[:2000] + bytes(100) + whole[2100:])
    with pytest.raises(UserError, match="'natoms' cannot be read"):
        load_npz(path)
