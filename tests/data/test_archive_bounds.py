from __future__ import annotations

import contextlib
import io
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.data import archive_bounds
from ocp_dc.data.archive_bounds import check_declared_size, check_zip
from ocp_dc.data.safe_npz import load_npz


def test_what_is_small_or_compresses_moderately_passes() -> None:
    for declared, stored in ((archive_bounds.ALWAYS_ALLOWED, 1), (10**12, 10**10), (0, 0)):
        check_declared_size(declared, stored, "a.h5")


@pytest.mark.parametrize(("declared", "stored"), [(archive_bounds.ALWAYS_ALLOWED + 1, 1000), (10**12, 10**9), (-1, 9)])
def test_what_would_fill_the_memory_is_refused(declared: int, stored: int) -> None:
    with pytest.raises(UserError, match=r"a\.h5: declares .* bytes in .* on the disk"):
        check_declared_size(declared, stored, "a.h5")


def test_zeros_of_a_sample_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", tags=np.zeros(10**6))
    assert [entry.filename for entry in check_zip(tmp_path / "a.npz")] == ["tags.npy"]
    assert not load_npz(tmp_path / "a.npz")["tags"].any()


def npy(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    """Return the header of an array without its numbers."""
    file = io.BytesIO()
    np.lib.format.write_array_header_2_0(file, {"shape": shape, "fortran_order": False, "descr": dtype})
    return file.getvalue()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path, pieces = tmp_path / "a.npz", 300
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("R.npy", "w") as entry:
        entry.write(npy((pieces * 2**17,)))
        for _ in range(pieces):
            entry.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    with pytest.raises(UserError, match=r"a\.npz: declares 314,\d+,\d+ bytes"):
        load_npz(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_entries_that_share_their_bytes_count_each(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("R0.npy", bytes(2**20))
        first = archive.infolist()[0]
        for number in range(1, 300):
            copy = zipfile.ZipInfo(f"R{number}.npy")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset"):
                setattr(copy, name, getattr(first, name))
            archive.filelist.append(copy)
    with pytest.raises(UserError, match="declares 314,572,800 bytes"):
        check_zip(path)


@pytest.mark.parametrize("shape", [(10**12,), (10**9, 10**9, 10**9), (-1,), (2**62, 4)])
@pytest.mark.parametrize("dtype", ["<f8", "<U0", "<U1000000000"])
@pytest.mark.parametrize("stored", [0, 80])
def test_an_array_that_declares_more_than_its_entry_holds(
    tmp_path: Path, shape: tuple, dtype: str, stored: int
) -> None:
    path = tmp_path / "metadata.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("natoms.npy", npy(shape, dtype) + bytes(stored))
    started = time.process_time()
    with pytest.raises(UserError, match=r"metadata\.npz: array 'natoms' cannot be read"):
        load_npz(path)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + b"\xff" * 30])
def test_no_zip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"checkpoint\.pt: its zip directory cannot be read"):
        check_zip(path)


def test_random_damage_ends_in_a_clear_error(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    np.savez_compressed(path, natoms=rng.integers(0, 100, 200), R=rng.normal(size=(20, 3)))
    whole = path.read_bytes()
    for _ in range(100):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            damaged[at] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(UserError):  # any other error fails
            load_npz(path)
