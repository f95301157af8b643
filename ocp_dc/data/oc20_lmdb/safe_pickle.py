"""Reader of the pickles of PyG data sets that does not run the code that they name.

A pickle is a program that can call any object by its name. Here it runs on a separate machine, whose time and memory
are bounded by the length of the pickle, and it can name only the objects in ``_ALLOWED``, by exact module and name.
These are replaced by placeholders that only collect values, so that a pickle cannot reach or change a class or function
of torch, numpy or PyG. The Data objects are built from the collected values at the end, and own their memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import torch

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.data.oc20_lmdb.pickle_machine import OBJECT, Machine, Named
from ocp_dc.data.oc20_lmdb.pickle_opcodes import run
from ocp_dc.data.oc20_lmdb.safe_storage import load_storage

ALLOWED_IN_WORDS = "torch_geometric Data, torch tensors, numpy arrays and numbers, and plain Python values"
LONGEST_DTYPE = 16  # characters
DATA_BYTES = 4096  # charged for an empty Data
TENSOR_BYTES = 1024  # charged for a tensor, in addition to its elements
_SCALARS = (int, float, complex, str, bytes, bytearray, bool, type(None))
Make = Callable[[dict[str, Any]], Any]


def _make_data(fields: dict[str, Any]) -> Any:
    from torch_geometric.data import Data  # not installed with fairchem 2

    return Data.from_dict(fields)


def loads(data: bytes, where: str = "this record", make: Make = _make_data) -> object:
    """Return the content of a pickle: a PyG Data (1.x or 2.x), tensors, numpy arrays, plain values, or containers.

    Args:
        data: the pickle.
        where: the location of the pickle for messages, for example a file and a key.
        make: makes the object for the fields of a Data; ``dict`` needs no PyG.

    Raises:
        UnsafeDataError: the pickle names another object; the message contains its name.
        UserError: the pickle is cut short or damaged, or needs too much time or memory for its length.
    """
    try:
        return _finish(run(Machine(data, _find)), {}, make)
    except UnsafeDataError as error:
        raise UnsafeDataError(f"{where}: {error}") from error
    except Exception as error:  # damaged bytes can raise almost any error
        raise UserError(f"{where}: damaged or cut short ({type(error).__name__}: {error})") from error


def loads_plain(data: bytes, where: str = "this value") -> int | float | str | bool | None:
    """Return the single plain value in a pickle, such as the ``length`` of an LMDB.

    Args:
        data: the pickle; it must not name any object.
        where: the location of the pickle for messages.

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


class _Placeholder:
    """A placeholder for an object while its pickle is read; it stores the state that the pickle sets."""

    __slots__ = ("state",)

    def set_state(self, state: Any) -> None:
        self.state = state


class _Data(_Placeholder):
    __slots__ = ()


class _Storage(_Placeholder):
    """PyG's GlobalStorage, which holds the values of a Data."""

    __slots__ = ()


class _Array(_Placeholder):
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
    if flags:  # lazily conjugated or negated
        raise UnsafeDataError(f"refused a tensor with the flags {flags!r:.50}; expected a plain tensor")
    tensor = torch.as_strided(storage, size, stride, offset)  # raises an error outside the storage
    # Charge for all elements, not only those in the storage: batching copies tensors with zero strides in full.
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
    # Named in every Data of PyG 2.x, as the value of attributes that are not needed.
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
    _ALLOWED[_builtins, "bytes"] = Named(lambda _: b"")  # how protocol 2 writes empty bytes


def _finish(value: Any, done: dict[int, Any], make: Make) -> Any:
    """Replace the placeholders in a value by the objects that they represent.

    Args:
        value: the content of a pickle.
        done: the results for containers and placeholders, by id; without it, nested sharing would grow exponentially.
        make: makes the object for the fields of a Data.
    """
    kind = type(value)
    if kind in _SCALARS or isinstance(value, np.generic) or kind in (torch.Tensor, np.ndarray):
        return value
    if id(value) not in done:
        done[id(value)] = _build(value, kind, done, make)
    return done[id(value)]


def _build(value: Any, kind: type, done: dict[int, Any], make: Make) -> Any:
    if kind in (dict, OrderedDict):
        return kind((_finish(key, done, make), _finish(item, done, make)) for key, item in value.items())
    if kind in (list, tuple, set, frozenset):
        return kind(_finish(item, done, make) for item in value)
    if kind is _Data:
        return make({key: _finish(item, done, make) for key, item in _fields(value.state).items()})
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
