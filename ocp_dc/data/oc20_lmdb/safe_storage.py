"""Reader of the bytes of a tensor's storage inside a pickle that does not run code.

Inside a pickle, each tensor names ``torch.storage._load_from_bytes``, which is torch.load without weights_only. Its
argument has torch's format before version 1.6: five small pickles (a magic number, a version, the machine, the storage,
its key), the number of elements, and the raw elements. These pickles differ only in the type and the key, so that they
are matched as text and not unpickled; pickles in any other form are run as data, which is slower. Torch has never
written these bytes in its newer format, a zip archive.
"""

from __future__ import annotations

import pickle
import re
import sys
from typing import Any

import torch

from ocp_dc.core.errors import UnsafeDataError
from ocp_dc.data.oc20_lmdb.pickle_machine import Machine, Named
from ocp_dc.data.oc20_lmdb.pickle_opcodes import run

_DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}


# The constants of torch/serialization.py, pickled in the same way.
_MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
_START = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, _MACHINE))
# ("storage", type, key, device, elements, None) as a persistent id, and [key]; q is followed by a memo index.
_STORAGE = re.compile(
    rb"\x80\x02\(X\x07\0\0\0storageq.ctorch\n(\w+)\nq.X....\d+q.X....[\w:]+q.(?:K.|M..|J....|\x8a..?.?.?.?.?.?.?.?)Ntq.Q\."
    rb"\x80\x02\]q.X....\d+q.a\.",
    re.DOTALL,
)


def load_storage(data: bytes) -> torch.Tensor:
    """Return a storage as a flat tensor on the CPU, shape [elements].

    Args:
        data: the argument of ``torch.storage._load_from_bytes``.

    Raises:
        UnsafeDataError: the bytes are not a single storage of numbers.
    """
    if sys.byteorder != "little":
        raise UnsafeDataError("the bytes of a tensor are read on little-endian machines only")
    match = _STORAGE.match(data, len(_START)) if data.startswith(_START) else None
    dtype = _DTYPES.get(match[1].decode("ascii", "replace")) if match else None
    if match is None or dtype is None:
        try:
            dtype, start = _run(data)
        except UnsafeDataError:
            raise
        except Exception as error:  # damaged bytes can raise almost any error
            raise _refused(f"they are damaged ({type(error).__name__}: {error})") from error
    else:
        start = match.end()
    elements = int.from_bytes(data[start : start + 8], "little")
    raw = bytearray(data[start + 8 :])
    if len(raw) != elements * dtype.itemsize:
        raise _refused(f"{elements} numbers of {dtype} are declared in {len(raw)} bytes")
    return torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype)


class _StorageType(Named):
    """The type of a storage; a pickle may name it but not call it."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype


def _run(data: bytes) -> tuple[torch.dtype, int]:
    """Return the type of a storage in the format before torch 1.6, and the position of its number of elements."""
    at, values = 0, []
    for _ in range(5):
        machine = Machine(data, _find, at, persistent=_identified)
        values.append(run(machine))
        at = machine.at
    magic, version, _, storage, keys = values
    if (magic, version) != (0x1950A86A20F9469CFC6C, 1001) or type(storage) is not _StorageType or len(keys) != 1:
        raise _refused(f"they hold a {type(storage).__name__}")
    return storage.dtype, at


def _find(module: str, name: str) -> _StorageType:
    if module != "torch" or name not in _DTYPES:
        raise _refused(f"they name {module}.{name}")
    return _StorageType(_DTYPES[name])


def _identified(identity: Any) -> Any:
    kind, storage_type, _, _, _, view = identity  # kind, type, key, device, elements, view of another storage
    if kind != "storage" or view is not None:
        raise _refused(f"they hold a {kind!r:.50}")
    return storage_type


def _refused(what: str) -> UnsafeDataError:
    return UnsafeDataError(f"the bytes of a tensor hold something other than numbers: {what}. Expected a plain tensor")
