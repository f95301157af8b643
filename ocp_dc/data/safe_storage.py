"""Reading the bytes of a tensor's storage, as pickles of tensors hold them, without running code.

Inside a pickle each tensor names ``torch.storage._load_from_bytes``, which is torch.load without weights_only. What it
gets is torch's format from before version 1.6: five small pickles (a magic number, a version, the machine, the storage,
its key), the number of elements, and the raw elements. That much is read here, with pickles that may name nothing but
a storage type; anything else goes to a weights_only load, which is safe too but ten times slower.
"""

from __future__ import annotations

import io
import pickle
import sys

import torch

from ocp_dc.errors import UnsafeDataError

# The constants of torch/serialization.py.
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001

_DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}


def load_storage(data: bytes) -> torch.Tensor:
    """Return a storage as a flat tensor on the CPU, shape (elements,).

    Args:
        data: what ``torch.storage._load_from_bytes`` takes.

    Raises:
        UnsafeDataError: the bytes name something that a weights_only load refuses.
    """
    flat = _read_legacy(data)
    if flat is not None:
        return flat
    try:
        storage = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeDataError(
            f"the bytes of a tensor hold something else than numbers: {error}. Expected a plain tensor"
        ) from error
    if not isinstance(storage, torch.storage.TypedStorage):
        raise UnsafeDataError(f"the bytes of a tensor hold a {type(storage).__name__}; expected a storage of numbers")
    return torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage)


class _Unpickler(pickle.Unpickler):
    """Numbers, strings, containers, and the dtype in the place of a storage."""

    def find_class(self, module: str, name: str) -> torch.dtype:
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid: tuple) -> tuple:
        return pid


def _read_legacy(data: bytes) -> torch.Tensor | None:
    """Read one whole storage, or return None where the bytes are anything else."""
    stream = io.BytesIO(data)
    try:
        magic, version, machine, described, keys = (_Unpickler(stream).load() for _ in range(5))
        kind, dtype, key, _, elements, view = described  # the fourth is the device that it was on
        plain = (magic, version, kind, keys, view) == (_MAGIC, _VERSION, "storage", [key], None)
        little = machine["little_endian"] and sys.byteorder == "little"
    except Exception:  # whatever it is, the weights_only load says what is wrong with it
        return None
    if not (plain and little and isinstance(dtype, torch.dtype)):
        return None
    stored = int.from_bytes(stream.read(8), "little")
    raw = bytearray(stream.read())
    if stored != elements or len(raw) != elements * dtype.itemsize:
        return None
    return torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype)
