"""Reading the bytes of a tensor's storage, as pickles of tensors hold them, without running code.

Inside a pickle each tensor names ``torch.storage._load_from_bytes``, which is torch.load without weights_only. What it
gets is torch's format from before version 1.6: five small pickles (a magic number, a version, the machine, the storage,
its key), the number of elements, and the raw elements. Those pickles are always the same but for the type and the key,
so they are matched as text and nothing is unpickled; anything else goes to a weights_only load, which is safe too but
ten times slower.
"""

from __future__ import annotations

import io
import pickle
import re
import sys

import torch

from ocp_dc.errors import UnsafeDataError

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


# The constants of torch/serialization.py, pickled as there.
_MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
_START = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, _MACHINE))
# ("storage", type, key, device, elements, None) as a persistent id, and [key]; q is followed by a memo index.
_STORAGE = re.compile(
    rb"\x80\x02\(X\x07\0\0\0storageq.ctorch\n(\w+)\nq.X....\d+q.X....[\w:]+q.(?:K.|M..|J....|\x8a..?.?.?.?.?.?.?.?)Ntq.Q\."
    rb"\x80\x02\]q.X....\d+q.a\.",
    re.DOTALL,
)


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


def _read_legacy(data: bytes) -> torch.Tensor | None:
    """Read one whole storage, or return None where the bytes are anything else."""
    storage = _STORAGE.match(data, len(_START)) if data.startswith(_START) else None
    dtype = _DTYPES.get(storage[1].decode("ascii", "replace")) if storage else None
    if storage is None or dtype is None or sys.byteorder != "little":
        return None
    elements = int.from_bytes(data[storage.end() : storage.end() + 8], "little")
    raw = bytearray(data[storage.end() + 8 :])
    if len(raw) != elements * dtype.itemsize:
        return None
    return torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype)
