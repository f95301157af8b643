"""Reading the pickles of PyG data sets without running code that they name.

A pickle is a program: it may call whatever it names. Here it runs on a machine of ours, within time and memory that its
length bounds, and can name only what ``_ALLOWED`` lists, by exact module and name. None of these are the real objects:
they are stand-ins of ours that only collect values, so that a pickle cannot reach or change a class or function of
torch, numpy or PyG. The Data objects are built from the collected values at the end, and own the memory that they use.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NoReturn

import numpy as np
import torch
from torch_geometric.data import Data

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.data.oc20_lmdb.pickle_machine import OBJECT, Machine, Named
from ocp_dc.data.oc20_lmdb.pickle_opcodes import run
from ocp_dc.data.oc20_lmdb.safe_storage import load_storage

ALLOWED_IN_WORDS = "torch_geometric Data, torch tensors, numpy arrays and numbers, and plain Python values"
LONGEST_DTYPE = 16  # characters
DATA_BYTES = 4096  # that an empty Data takes
TENSOR_BYTES = 1024  # that a tensor takes beside its numbers
_SCALARS = (int, float, complex, str, bytes, bytearray, bool, type(None))


def loads(data: bytes, where: str = "this record") -> object:
    """Return what a pickle holds: a PyG Data (1.x or 2.x), tensors, numpy arrays, plain values, containers of these.

    Args:
        data: the pickle.
        where: what messages call it, for example a file and a key.

    Raises:
        UnsafeDataError: the pickle names something else; the message says what.
        UserError: the pickle is cut short or damaged, or would take far more time or memory than it has bytes.
    """
    try:
        return _finish(run(Machine(data, _find)), {})
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
        value = run(Machine(data, _find_nothing))
    except UnsafeDataError as error:
        raise UnsafeDataError(f"{where}: {error}") from error
    except Exception as error:
        raise UserError(f"{where}: damaged or cut short ({type(error).__name__}: {error})") from error
    if type(value) not in (int, float, str, bool, type(None)):
        raise UserError(f"{where}: got a {type(value).__name__}, expected a plain number or string")
    return value


def _find_nothing(module: str, name: str) -> NoReturn:
    raise _refused(module, name, "plain numbers and strings")


def _find(module: str, name: str) -> Named:
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
    """Stands for an object while its pickle is read: keeps the state that the pickle sets and nothing else."""

    __slots__ = ("state",)

    def set_state(self, state: Any) -> None:
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

    def __init__(self, spec: str) -> None:
        short = isinstance(spec, str) and len(spec) <= LONGEST_DTYPE
        self.dtype = np.dtype(spec) if short else np.dtype("O")
        if self.dtype.kind not in "biufcSU":
            raise UnsafeDataError(f"refused a numpy array of type {spec!r:.50}; expected plain numbers or strings")

    def set_state(self, state: tuple) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


def _data(machine: Machine) -> _Data:
    machine.charge(DATA_BYTES)
    return _Data()


def _dtype(machine: Machine, spec: str, align: bool = False, copy: bool = False) -> _Dtype:
    return _Dtype(spec)


def _tensor(
    machine: Machine,
    storage: torch.Tensor,
    offset: int,
    size: tuple,
    stride: tuple,
    grad: bool,
    hooks: Any,
    flags: Any = None,
) -> torch.Tensor:
    if flags:  # conjugated or negated without its numbers having been changed
        raise UnsafeDataError(f"refused a tensor with the flags {flags!r:.50}; expected a plain tensor")
    tensor = torch.as_strided(storage, size, stride, offset)  # refuses to leave the storage
    # Charged by its numbers, and not by those in its storage: batching copies a tensor whose strides are zero in full.
    machine.charge(TENSOR_BYTES + tensor.numel() * tensor.element_size())
    return tensor.requires_grad_(grad)


def _number(machine: Machine, dtype: _Dtype, raw: bytes) -> np.generic:
    return np.frombuffer(raw, dtype.dtype, count=1)[0]


def _from_buffer(
    machine: Machine, raw: bytes, dtype: _Dtype, shape: Any, order: Any, axes: tuple | None = None
) -> np.ndarray:
    flat = np.frombuffer(bytearray(raw), dtype.dtype)
    if order == "K" and axes is not None:  # numpy 2.3 and later: C order of the transposed array
        return flat.reshape(shape, order="C").transpose(axes)
    return flat.reshape(shape, order=order)


def _bytes(machine: Machine, text: str, encoding: str) -> bytes:
    if encoding != "latin1":  # how pickles of protocol 2 write bytes
        raise UnsafeDataError(f"refused a text encoding {encoding!r:.50}; expected latin1")
    return text.encode(encoding)


def _set(machine: Machine, items: list | tuple = ()) -> set:
    machine.charge(OBJECT * (4 + len(items)))
    return {machine.key(item) for item in items}


def _ordered(machine: Machine, items: list | tuple = ()) -> OrderedDict:
    machine.charge(4 * OBJECT * (1 + len(items)))
    return OrderedDict((machine.key(key), value) for key, value in items)


_ALLOWED: dict[tuple[str, str], Named] = {
    ("torch_geometric.data.data", "Data"): Named(_data),
    ("torch_geometric.data.storage", "GlobalStorage"): Named(lambda _: _Storage()),
    # Named in every Data of PyG 2.x, as the value of attributes that we do not need.
    ("torch_geometric.data.data", "DataTensorAttr"): Named(),
    ("torch_geometric.data.data", "DataEdgeAttr"): Named(),
    ("torch._utils", "_rebuild_tensor_v2"): Named(_tensor),
    ("torch.storage", "_load_from_bytes"): Named(lambda _, data: load_storage(data)),
    ("numpy", "ndarray"): Named(),  # the first argument of _reconstruct
    ("numpy", "dtype"): Named(_dtype),
    ("collections", "OrderedDict"): Named(_ordered),
    ("_codecs", "encode"): Named(_bytes),
}
for _core in ("numpy.core", "numpy._core"):  # numpy 1.x and 2.x
    _ALLOWED[f"{_core}.multiarray", "scalar"] = Named(_number)
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = Named(lambda *_: _Array())
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = Named(_from_buffer)
for _builtins in ("builtins", "__builtin__"):  # the second in pickles of protocol 2
    _ALLOWED[_builtins, "complex"] = Named(lambda _, real, imaginary: complex(float(real), float(imaginary)))
    _ALLOWED[_builtins, "set"] = Named(_set)
    _ALLOWED[_builtins, "frozenset"] = Named(lambda machine, *items: frozenset(_set(machine, *items)))
    _ALLOWED[_builtins, "bytes"] = Named(lambda _: b"")  # how protocol 2 writes no bytes


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
