"""Reading the pickles of PyG data sets without running code that they name.

A pickle is a program: it may call whatever it names. Here it can name only what ``_ALLOWED`` lists, by exact module
and name. None of these are the real objects: they are stand-ins of ours that only collect values, so that a pickle
cannot reach or change a class or function of torch, numpy or PyG. The Data objects are built from the collected values
at the end.
"""

from __future__ import annotations

import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from io import BytesIO
from typing import Any, NoReturn

import numpy as np
import torch
from torch_geometric.data import Data

from ocp_dc.data.safe_storage import load_storage
from ocp_dc.errors import UnsafeDataError, UserError

ALLOWED_IN_WORDS = "torch_geometric Data, torch tensors, numpy arrays and numbers, and plain Python values"
_SCALARS = (int, float, complex, str, bytes, bytearray, bool, type(None))


def loads(data: bytes, where: str = "this record") -> object:
    """Return what a pickle holds: a PyG Data (1.x or 2.x), tensors, numpy arrays, plain values, containers of these.

    Args:
        data: the pickle.
        where: what messages call it, for example a file and a key.

    Raises:
        UnsafeDataError: the pickle names something else; the message says what.
        UserError: the pickle is cut short or damaged.
    """
    try:
        _check_size(data)
        return _finish(_Unpickler(BytesIO(data)).load(), {})
    except UnsafeDataError as error:
        raise UnsafeDataError(f"{where}: {error}") from error
    except Exception as error:  # damaged bytes can raise nearly anything
        raise UserError(f"{where}: damaged or cut short ({type(error).__name__}: {error})") from error


def loads_plain(data: bytes, where: str = "this value") -> int | float | str | bool | None:
    """Return the one plain value that a pickle holds, such as the ``length`` of an LMDB.

    Args:
        data: the pickle; it may name nothing at all.
        where: what messages call it.

    Raises:
        UnsafeDataError: the pickle names a class or function.
        UserError: the pickle is damaged or holds something other than a number, a string, a bool or None.
    """
    try:
        _check_size(data)
        value = _PlainUnpickler(BytesIO(data)).load()
    except UnsafeDataError as error:
        raise UnsafeDataError(f"{where}: {error}") from error
    except Exception as error:
        raise UserError(f"{where}: damaged or cut short ({type(error).__name__}: {error})") from error
    if type(value) not in (int, float, str, bool, type(None)):
        raise UserError(f"{where}: got a {type(value).__name__}, expected a plain number or string")
    return value


def _check_size(data: bytes) -> None:
    """Refuse a pickle that makes the unpickler take far more memory than it has bytes: one wrong byte can."""
    for opcode, argument, _ in pickletools.genops(data):  # raises where a length runs past the end
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
            raise ValueError(f"memo index {argument} in {len(data)} bytes")


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise _refused(module, name, "plain numbers and strings")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _refused(module, name, ALLOWED_IN_WORDS) from None


def _refused(module: str, name: str, allowed: str) -> UnsafeDataError:
    return UnsafeDataError(
        f"refused {module}.{name}: loading it could run code. Expected {allowed}. If you trust the source, convert the"
        " file where it was made to the layout that `ocp-dc prepare` writes"
    )


class _Collected:
    """Stands for an object while its pickle is read: keeps the state that the pickle sets and nothing else.

    Having ``__setstate__`` also keeps the pickle from setting attributes on the class itself.
    """

    __slots__ = ("state",)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Data(_Collected):
    __slots__ = ()


class _Storage(_Collected):
    """PyG's GlobalStorage, which holds the values of a Data."""

    __slots__ = ()


class _Array(_Collected):
    """A numpy array: the state is (version, shape, dtype, Fortran order, raw bytes)."""

    __slots__ = ()


class _Dtype:
    """A numpy dtype of plain numbers or strings; the state that the pickle sets gives the byte order."""

    __slots__ = ("dtype",)

    def __init__(self, spec: str, align: bool = False, copy: bool = False) -> None:
        self.dtype = np.dtype(spec) if isinstance(spec, str) else np.dtype("O")
        if self.dtype.kind not in "biufcSU":
            raise UnsafeDataError(f"refused a numpy array of type {spec!r}; expected plain numbers or strings")

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Call:
    """A function that a pickle may call. It cannot be changed by the pickle: a state set on it is refused."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> NoReturn:
        raise UnsafeDataError("refused an attempt to change a function")


def _tensor(
    storage: torch.Tensor, offset: int, size: tuple, stride: tuple, grad: bool, hooks: Any, flags: Any = None
) -> torch.Tensor:
    if flags:  # conjugated or negated without its numbers having been changed
        raise UnsafeDataError(f"refused a tensor with the flags {flags!r}; expected a plain tensor")
    return torch.as_strided(storage, size, stride, offset).requires_grad_(grad)  # refuses to leave the storage


def _number(dtype: _Dtype, raw: bytes) -> np.generic:
    return np.frombuffer(raw, dtype.dtype, count=1)[0]


def _from_buffer(raw: bytes, dtype: _Dtype, shape: Any, order: Any, axes: tuple | None = None) -> np.ndarray:
    if order == "K" and axes is not None:  # numpy 2.3 and later: C order of the transposed array
        return np.frombuffer(raw, dtype.dtype).reshape(shape, order="C").transpose(axes)
    return np.frombuffer(raw, dtype.dtype).reshape(shape, order=order)


def _bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":  # how pickles of protocol 2 write bytes
        raise UnsafeDataError(f"refused a text encoding {encoding!r}; expected latin1")
    return text.encode(encoding)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("torch_geometric.data.data", "Data"): _Data,
    ("torch_geometric.data.storage", "GlobalStorage"): _Storage,
    # Named in every Data of PyG 2.x, as the value of attributes that we do not need.
    ("torch_geometric.data.data", "DataTensorAttr"): None,
    ("torch_geometric.data.data", "DataEdgeAttr"): None,
    ("torch._utils", "_rebuild_tensor_v2"): _Call(_tensor),
    ("torch.storage", "_load_from_bytes"): _Call(load_storage),
    ("numpy", "ndarray"): None,  # the first argument of _reconstruct
    ("numpy", "dtype"): _Dtype,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _Call(_bytes),
}
for _core in ("numpy.core", "numpy._core"):  # numpy 1.x and 2.x
    _ALLOWED[f"{_core}.multiarray", "scalar"] = _Call(_number)
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _Call(lambda *_: _Array())
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _Call(_from_buffer)
for _builtins in ("builtins", "__builtin__"):  # the second in pickles of protocol 2
    _ALLOWED.update({(_builtins, kind.__name__): kind for kind in (complex, set, frozenset)})
    _ALLOWED[_builtins, "bytes"] = _Call(lambda: b"")  # how protocol 2 writes no bytes


def _finish(value: Any, done: dict[int, Any]) -> Any:
    """Replace the stand-ins in what was read by the objects that they stand for.

    Args:
        value: what was read.
        done: what containers and stand-ins became, by id: nested sharing would otherwise grow exponentially.
    """
    kind = type(value)
    if kind in _SCALARS or isinstance(value, np.generic) or kind in (torch.Tensor, np.ndarray):
        return value
    if id(value) not in done:
        done[id(value)] = _build(value, kind, done)
    return done[id(value)]


def _build(value: Any, kind: type, done: dict[int, Any]) -> Any:
    if kind in (dict, OrderedDict):
        return kind((_finish(key, done), _finish(item, done)) for key, item in value.items())
    if kind in (list, tuple, set, frozenset):
        return kind(_finish(item, done) for item in value)
    if kind is _Data:
        return Data.from_dict({key: _finish(item, done) for key, item in _fields(value.state).items()})
    if kind is _Array:
        _, shape, dtype, fortran, raw = value.state
        return np.frombuffer(bytearray(raw), dtype.dtype).reshape(shape, order="F" if fortran else "C")
    raise UnsafeDataError(f"refused a bare {kind.__name__}; expected {ALLOWED_IN_WORDS}")


def _fields(state: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a Data from its state in PyG 2.x (values in a storage) or 1.x (plain attributes)."""
    if "_store" in state:
        fields = state["_store"].state["_mapping"]
    else:
        # 1.x keeps absent values as None, and the number of nodes under a private name.
        fields = {"num_nodes" if k == "__num_nodes__" else k: v for k, v in state.items() if v is not None}
    private = [key for key in fields if key.startswith("_")]
    if private:
        raise UnsafeDataError(f"refused a Data with the private attribute {private[0]!r}")
    return fields
