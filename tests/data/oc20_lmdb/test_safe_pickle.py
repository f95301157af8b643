from __future__ import annotations

import builtins
import contextlib
import functools
import os
import pickle
import subprocess
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch_geometric.data import Data
from torch_geometric.data.data import DataTensorAttr

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.data.oc20_lmdb.pickle_machine import Named
from ocp_dc.data.oc20_lmdb.safe_pickle import _ALLOWED, loads, loads_plain

PROTOCOLS = (2, 3, 4, 5)


def make_data() -> Data:
    positions = torch.arange(12.0).reshape(4, 3)
    return Data(
        pos=positions,
        cell=torch.eye(3).view(1, 3, 3),
        atomic_numbers=torch.tensor([6, 6, 8, 1]),
        natoms=4,
        y=-4209.123456789,
        fixed=torch.tensor([0, 0, 1, 1], dtype=torch.int),
        pbc=torch.tensor([[True, False, True]]),
        reference=np.float64(1.5),
        name="ethanol",
        columns=positions.t(),  # shares memory with pos and is not contiguous
        empty=torch.empty(0, 3),
        table=np.arange(6.0).reshape(2, 3),
    )


def assert_same(actual: Any, expected: Any) -> None:
    assert type(actual) is type(expected)
    if isinstance(expected, Data):
        assert actual.keys() == expected.keys()
        for key in expected.keys():  # noqa: SIM118
            assert_same(actual[key], expected[key])
    elif isinstance(expected, torch.Tensor):
        assert actual.dtype == expected.dtype
        assert actual.requires_grad == expected.requires_grad
        assert torch.equal(actual, expected)
    elif isinstance(expected, np.ndarray | np.generic):
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, dict):
        assert_same(list(actual.items()), list(expected.items()))
    else:
        assert actual == expected


def make_old(**state: Any) -> Data:
    """Return a Data whose pickle is that of PyG 1.x: the values are its plain attributes."""
    old = Data.__new__(Data)
    old.__dict__.update(state)
    return old


class Spelled:
    """Pickles as a call of a function, with a state to set on the result."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> tuple:
        return self.reduced


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_data_of_pyg_2(protocol: int) -> None:
    data = make_data()
    assert_same(loads(pickle.dumps(data, protocol)), data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_data_of_pyg_1(protocol: int) -> None:
    old = make_old(x=None, edge_index=None, y=-1.5, pos=torch.ones(2, 3), natoms=2, __num_nodes__=None)
    assert_same(loads(pickle.dumps(old, protocol)), Data(y=-1.5, pos=torch.ones(2, 3), natoms=2))


def test_gradients_are_remembered() -> None:
    assert_same(loads(pickle.dumps(torch.ones(2, requires_grad=True))), torch.ones(2, requires_grad=True))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_module_path_of_the_other_numpy(protocol: int) -> None:
    for value in (np.float64(2.5), np.arange(3)):
        data = pickle.dumps(value, 2)
        mine = b"numpy._core." if b"numpy._core." in data else b"numpy.core."
        other = b"numpy.core." if mine == b"numpy._core." else b"numpy._core."
        assert mine in data
        assert_same(loads(data.replace(mine, other)), value)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner) | st.frozensets(st.integers())
    ),
    max_leaves=10,
)


@given(plain, st.sampled_from(PROTOCOLS))
def test_plain_values(value: Any, protocol: int) -> None:
    assert_same(loads(pickle.dumps(value, protocol)), value)


arrays = hnp.arrays(
    st.one_of(hnp.floating_dtypes(endianness="?"), hnp.integer_dtypes(endianness="?"), hnp.boolean_dtypes())
    | hnp.unicode_string_dtypes(endianness="?", min_len=1, max_len=4),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)


@given(arrays, st.sampled_from(["C", "F"]), st.sampled_from(PROTOCOLS))
def test_numpy_arrays(array: np.ndarray, order: Any, protocol: int) -> None:
    array = np.asarray(array, order=order)
    assert_same(loads(pickle.dumps(array, protocol)), array)
    assert_same(loads(pickle.dumps([OrderedDict(a=array), {1}], protocol)), [OrderedDict(a=array), {1}])


class Touch(Spelled):
    def __init__(self, path: Path) -> None:
        super().__init__(os.mkdir, (str(path),))


REFUSED = {
    "os": Spelled(os.mkdir, ("ran",)),
    "eval": Spelled(builtins.eval, ("1",)),
    "getattr": Spelled(builtins.getattr, ("", "join")),
    "partial": Spelled(functools.partial, (print,)),
    "subprocess": Spelled(subprocess.Popen, (["true"],)),
    "torch.load": Spelled(torch.load, ("ran",)),
    "np.load": Spelled(np.load, ("ran",)),
    "module": torch.nn.Linear(1, 1),
    "function": print,
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("inside", [False, True])
def test_anything_else_is_refused_by_name(name: str, protocol: int, inside: bool) -> None:
    value = Data(pos=torch.ones(1, 3), hidden=[REFUSED[name]]) if inside else REFUSED[name]
    with pytest.raises(UnsafeDataError, match=r"a\.lmdb: refused .*Expected torch_geometric Data, torch tensors"):
        loads(pickle.dumps(value, protocol), "a.lmdb")


def call(module: str, name: str, *arguments: Any) -> bytes:
    """Return a pickle (protocol 4) that calls ``module.name``, which need not exist."""
    push = b"".join(pickle.dumps(a, 3)[2:-1] for a in arguments)  # protocol 3: without frames
    names = b"".join(b"\x8c" + bytes([len(part)]) + part.encode() for part in (module, name))
    return b"\x80\x04" + names + b"\x93" + b"(" + push + b"tR."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("torch_geometric.data.data", "Data.__init__.__globals__"),
        ("torch_geometric.data.data", "os"),
        ("torch.storage", "io.open_code"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("collections", "OrderedDict.fromkeys"),
        ("builtins", "type"),
        ("copyreg", "__reduce_ex__"),
    ],
)
def test_names_near_the_allowed_ones_are_refused(module: str, name: str) -> None:
    with pytest.raises(UnsafeDataError, match=f"refused {module}.{name}"):
        loads(call(module, name, 1))


def test_a_pickle_inside_a_tensor_is_refused_and_not_run(tmp_path: Path) -> None:
    nested = pickle.dumps(Touch(tmp_path / "ran"), 2)
    with pytest.raises(UnsafeDataError, match="bytes of a tensor"):
        loads(pickle.dumps(Spelled(torch.storage._load_from_bytes, (nested,))))
    assert not (tmp_path / "ran").exists()


def change(module: str, name: str) -> bytes:
    """Return a pickle that sets attributes on ``module.name`` itself."""
    attributes = (None, {"__call__": 1, "_function": 2, "new": 3})
    return call(module, name).removesuffix(b"(tR.") + pickle.dumps(attributes, 3)[2:-1] + b"b."


def test_the_pickle_that_changes_attributes_works() -> None:
    pickle.loads(change(__name__, "Spelled"))
    assert Spelled.new == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", sorted(_ALLOWED), ids=".".join)
def test_a_pickle_cannot_change_what_it_may_name(key: tuple[str, str]) -> None:
    named = _ALLOWED[key]
    before = dict(vars(named)) if isinstance(named, type) else None
    with pytest.raises(UserError, match=r"damaged .*TypeError: a state set on a Named"):
        loads(change(*key))
    assert before is None or dict(vars(named)) == before
    assert not hasattr(DataTensorAttr, "new")
    assert_same(loads(pickle.dumps(make_data())), make_data())


@pytest.mark.parametrize("dtype", ["O", "V8", "M8[s]", [("a", "O")]])
def test_arrays_of_anything_but_numbers_and_text_are_refused(dtype: Any) -> None:
    with pytest.raises(UserError, match="refused a numpy array"):
        loads(pickle.dumps(np.zeros(2, dtype=dtype)))


def test_a_private_attribute_is_refused() -> None:
    with pytest.raises(UnsafeDataError, match="private attribute '__class__'"):
        loads(pickle.dumps(Spelled(Data, (), {"__class__": 1, "pos": 1})))
    with pytest.raises(UserError, match="damaged"):
        loads(pickle.dumps(make_old(_store={}, pos=1)))


def test_a_tensor_cannot_reach_past_its_storage() -> None:
    storage = torch.ones(2)._typed_storage()
    tensor = Spelled(torch._utils._rebuild_tensor_v2, (storage, 0, (1000,), (1,), False, OrderedDict()))
    with pytest.raises(UserError, match="damaged"):
        loads(pickle.dumps(tensor))


def test_a_tensor_with_flags_is_refused() -> None:
    conjugated = torch.ones(2, dtype=torch.complex64).conj()
    with pytest.raises(UnsafeDataError, match="refused a tensor with the flags"):
        loads(pickle.dumps(conjugated))


def test_a_text_encoding_other_than_latin1_is_refused() -> None:
    with pytest.raises(UnsafeDataError, match="encoding 'zip'"):
        loads(call("_codecs", "encode", "a", "zip"))


PICKLED = pickle.dumps(make_data(), 4)


@given(st.integers(0, len(PICKLED) - 1))
def test_cut_short(length: int) -> None:
    with pytest.raises(UserError, match=r"damaged|refused"):
        loads(PICKLED[:length])


@given(st.integers(0, len(PICKLED) - 1), st.integers(0, 255))
def test_a_wrong_byte_gives_a_value_or_a_clear_error(at: int, byte: int) -> None:
    data = bytearray(PICKLED)
    data[at] = byte
    with contextlib.suppress(UserError):  # any other error fails
        loads(bytes(data))


def test_the_names_that_a_pickle_may_contain() -> None:
    """A name more is a door more: whoever adds one says why here."""
    assert set(_ALLOWED) == {
        ("torch_geometric.data.data", "Data"),
        ("torch_geometric.data.data", "DataEdgeAttr"),
        ("torch_geometric.data.data", "DataTensorAttr"),
        ("torch_geometric.data.storage", "GlobalStorage"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch.storage", "_load_from_bytes"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        *(
            (f"{core}.multiarray", name)
            for core in ("numpy.core", "numpy._core")
            for name in ("scalar", "_reconstruct")
        ),
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
        ("collections", "OrderedDict"),
        ("_codecs", "encode"),
        *(
            (module, name)
            for module in ("builtins", "__builtin__")
            for name in ("complex", "set", "frozenset", "bytes")
        ),
    }


def test_the_names_that_a_pickle_may_not_call() -> None:
    """They are arguments only."""
    assert {key for key, named in _ALLOWED.items() if named.function is None} == {
        ("torch_geometric.data.data", "DataEdgeAttr"),
        ("torch_geometric.data.data", "DataTensorAttr"),
        ("numpy", "ndarray"),
    }


def test_no_named_function_or_class_is_the_real_one() -> None:
    for named in _ALLOWED.values():
        assert type(named) is Named
        assert named.function is None or named.function.__module__ == "ocp_dc.data.oc20_lmdb.safe_pickle"


def test_a_memo_index_does_not_take_memory() -> None:
    """Python's unpickler makes room for as many objects as the index says: 8 GiB here."""
    assert loads(b"\x80\x02Nr\xff\xff\xff\x3f.") is None


def test_shared_containers_are_built_once() -> None:
    value: list = []
    for _ in range(100):  # 2^100 lists, if each were copied wherever it stands
        value = [value, value]
    found: Any = loads(pickle.dumps(value))
    for _ in range(100):
        assert found[0] is found[1]
        found = found[0]


def test_endless_nesting_is_damage() -> None:
    endless: list = []
    endless.append(endless)
    with pytest.raises(UserError, match="damaged"):
        loads(pickle.dumps(endless))


@given(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.sampled_from((0, *PROTOCOLS))
)
def test_plain_value_alone(value: Any, protocol: int) -> None:
    assert_same(loads_plain(pickle.dumps(value, protocol)), value)


def test_plain_values_name_nothing() -> None:
    named: list[Any] = [np.int64(3), OrderedDict(), {1}, torch.ones(1), REFUSED["os"]]
    for value in named:
        with pytest.raises(UnsafeDataError, match=r"length: refused .* Expected plain numbers and strings"):
            loads_plain(pickle.dumps(value, 2), "length")
    with pytest.raises(UserError, match="got a list, expected a plain number"):
        loads_plain(pickle.dumps([1]))
    with pytest.raises(UserError, match="damaged or cut short"):
        loads_plain(b"")
