from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import pytest
import torch

from ocp_dc.core.errors import UnsafeDataError
from ocp_dc.data.oc20_lmdb import safe_storage
from ocp_dc.data.oc20_lmdb.safe_storage import load_storage

DTYPES = sorted({*safe_storage._DTYPES.values(), torch.complex64}, key=str)


def saved(tensor: torch.Tensor) -> bytes:
    stream = io.BytesIO()
    torch.save(tensor._typed_storage(), stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


@pytest.mark.parametrize("other_words", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(dtype: torch.dtype, other_words: bool) -> None:
    tensor = torch.tensor([0, 1, 1, 0, 1]).to(dtype)
    data = saved(tensor)
    if other_words:  # the same without the memo, which is never read; not what the pattern expects
        data = data.replace(b"q\x01", b"", 1)
        assert safe_storage._STORAGE.match(data, len(safe_storage._START)) is None
    loaded = load_storage(data)
    assert loaded.dtype == dtype
    assert torch.equal(loaded, tensor)
    loaded[0] = 1  # writable, and not the bytes that it was read from


def test_no_elements() -> None:
    assert load_storage(saved(torch.empty(0))).shape == (0,)


@pytest.mark.parametrize("elements", [1, 255, 256, 65_535, 65_536])  # pickle writes integers in 1, 2 or 4 bytes
def test_the_short_way_is_taken(monkeypatch: pytest.MonkeyPatch, elements: int) -> None:
    tensor = torch.arange(elements)
    monkeypatch.setattr(safe_storage, "_run", None)
    assert torch.equal(load_storage(saved(tensor)), tensor)


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [False, True])
def test_code_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    stream = io.BytesIO()
    torch.save(Touch(tmp_path / "ran"), stream, _use_new_zipfile_serialization=zipped)
    for data in (stream.getvalue(), pickle.dumps(Touch(tmp_path / "ran"), 2)):
        with pytest.raises(UnsafeDataError, match=r"[Ee]xpected"):
            load_storage(data)
    assert not (tmp_path / "ran").exists()


def test_no_storage() -> None:
    stream = io.BytesIO()
    torch.save([1, 2], stream)
    with pytest.raises(UnsafeDataError, match="something other than numbers"):
        load_storage(stream.getvalue())


def test_bytes_and_their_declared_number_differ() -> None:
    data = saved(torch.ones(5))
    for wrong in (data[:-1], data + b"1", data[:-28] + bytes(8) + data[-20:]):
        with pytest.raises(UnsafeDataError, match="are declared in"):
            load_storage(wrong)


def test_part_of_another_storage_is_refused() -> None:
    data = saved(torch.ones(5)).replace(b"NtQ.", b"Nt0Nt0.").replace(b"Ntq", b"K\x01tq", 1)
    with pytest.raises(UnsafeDataError, match="something other than numbers"):
        load_storage(data)
