from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import pytest
import torch

from ocp_dc.data import safe_storage
from ocp_dc.data.safe_storage import load_storage
from ocp_dc.errors import UnsafeDataError

DTYPES = sorted({*safe_storage._DTYPES.values(), torch.complex64}, key=str)


def saved(tensor: torch.Tensor, zipped: bool = False) -> bytes:
    stream = io.BytesIO()
    torch.save(tensor._typed_storage(), stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(dtype: torch.dtype, zipped: bool) -> None:
    tensor = torch.tensor([0, 1, 1, 0, 1]).to(dtype)
    loaded = load_storage(saved(tensor, zipped))
    assert loaded.dtype == dtype
    assert torch.equal(loaded, tensor)
    loaded[0] = 1  # writable, and not the bytes that it was read from


def test_no_elements() -> None:
    assert load_storage(saved(torch.empty(0))).shape == (0,)


@pytest.mark.parametrize("elements", [1, 255, 256, 65_535, 65_536])  # pickle writes integers in 1, 2 or 4 bytes
def test_the_short_way_is_taken(monkeypatch: pytest.MonkeyPatch, elements: int) -> None:
    tensor = torch.arange(elements)
    data = saved(tensor)
    monkeypatch.setattr(torch, "load", None)
    assert torch.equal(load_storage(data), tensor)


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
    with pytest.raises(UnsafeDataError, match="hold a list"):
        load_storage(stream.getvalue())
