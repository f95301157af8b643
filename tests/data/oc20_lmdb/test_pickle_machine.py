"""Pickles that would take forever or fill the memory end in an error at once; damaged ones in an error or a value."""

from __future__ import annotations

import contextlib
import pickle
import resource
import struct
import sys
import time
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.pickle_machine import FREE_BYTES, UNCOMMON_KEYS, Machine
from ocp_dc.data.oc20_lmdb.pickle_opcodes import run
from ocp_dc.data.oc20_lmdb.safe_pickle import _ALLOWED, loads, loads_plain

SECONDS = 5  # none of what is dear ends within minutes otherwise
MEBIBYTES = 200
LENGTH = 50_000


def named(module: str, name: str) -> bytes:
    return b"c" + f"{module}\n{name}\n".encode()


def memoized(value: bytes) -> bytes:
    """Return opcodes that keep what ``value`` pushes as number 0 of the memo, and leave the stack as it was."""
    return value + b"q\x000"


def text(length: int) -> bytes:
    return b"X" + struct.pack("<I", length) + b"a" * length


def raw(length: int) -> bytes:
    return b"B" + struct.pack("<I", length) + bytes(length)


def repeated(opcodes: bytes, start: bytes = b"") -> bytes:
    return b"\x80\x04(" + start + opcodes * ((LENGTH - len(start)) // len(opcodes)) + b"l."


NESTED = b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(60))  # t = (t, t), 60 times
STORAGE = pickle.dumps(torch.ones(1)._typed_storage(), 3)[2:-1]
RECONSTRUCT = named("numpy.core.multiarray", "_reconstruct") + b")R"
DTYPE = named("numpy", "dtype") + b"X\x02\0\0\0u1\x85R"

BOMBS = {
    # time
    "tuples as a key": b"\x80\x02}K\x01\x85" + NESTED + b"Ns.",
    "tuples as a key, duplicated": b"\x80\x02}K\x01\x85" + b"2\x86" * 60 + b"Ns.",
    "tuples in a set": b"\x80\x04\x8f(K\x01\x85" + NESTED + b"\x90.",
    "tuples in a frozenset": b"\x80\x04(K\x01\x85" + NESTED + b"\x91.",
    "tuples in a called set": b"\x80\x02" + named("builtins", "set") + b"]K\x01\x85" + NESTED + b"a\x85R.",
    "tuples in an OrderedDict": b"\x80\x02"
    + named("collections", "OrderedDict")
    + b"]K\x01\x85"
    + NESTED
    + b"N\x86a\x85R.",
    "frozensets": b"\x80\x04(K\x01\x85" + NESTED.replace(b"\x86", b"\x86\x85\x93") + b"\x91.",
    "deep tuples as a key": b"\x80\x02}K\x01" + b"\x85" * LENGTH + b"Ns.",
    "numbers of one hash": b"\x80\x02}("
    + b"".join(b"\x8a\x0a" + (i * (2**61 - 1)).to_bytes(10, "little") + b"N" for i in range(1, 30_000))
    + b"u.",
    "a long number as a key, again and again": b"\x80\x02("
    + memoized(b"\x8b" + struct.pack("<i", LENGTH // 2) + b"\x01" * (LENGTH // 2))
    + b"}h\x00Ns" * (LENGTH // 12)
    + b"l.",
    "decimal digits": b"\x80\x02L" + b"1" * LENGTH + b"\n.",
    # memory
    "sets": repeated(b"\x8f"),
    "dicts": repeated(b"}"),
    "marks": repeated(b"("),
    "a memo": repeated(b"\x94", b"N"),
    "OrderedDicts": repeated(b"h\x00)R", memoized(named("collections", "OrderedDict"))),
    "called sets": repeated(b"h\x00)R", memoized(named("builtins", "set"))),
    "objects": repeated(b"h\x00)\x81}b", memoized(named("torch_geometric.data.data", "Data"))),
    "bytes of one text": repeated(
        named("_codecs", "encode") + b"h\x00X\x06\0\0\0latin1\x86R", memoized(text(LENGTH // 2))
    ),
    "storages of the same bytes": repeated(
        named("torch.storage", "_load_from_bytes") + b"h\x00\x85R", memoized(raw(LENGTH // 2))
    ),
    "arrays of the same bytes": repeated(
        RECONSTRUCT + b"(K\x01J" + struct.pack("<i", LENGTH // 2) + b"\x85" + DTYPE + b"\x89h\x00tb",
        memoized(raw(LENGTH // 2)),
    ),
    "copies of one list": repeated(
        named("builtins", "frozenset") + b"h\x00\x85R", memoized(b"](" + b"K\x01" * (LENGTH // 4) + b"e")
    ),
    "a room of a terabyte": b"\x80\x05\x96" + struct.pack("<Q", 10**12) + b"1234.",
    "a text of an exabyte": b"\x80\x05\x8d" + struct.pack("<Q", 10**18) + b"1234.",
    "a number of two gigabytes": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"1234.",
    "a negative length": b"\x80\x02\x8b" + struct.pack("<i", -5) + b"1234.",
    "a tensor of one number": b"\x80\x02"
    + named("torch._utils", "_rebuild_tensor_v2")
    + b"("
    + STORAGE
    + b"K\x00J"
    + struct.pack("<i", 2**31 - 1)
    + b"\x85K\x00\x85\x89NtR.",
    "numbers of a gigabyte": b"\x80\x02"
    + named("numpy.core.multiarray", "scalar")
    + named("numpy", "dtype")
    + b"X\x0b\0\0\0S1000000000\x85RB\x01\0\0\0a\x86R.",
    "a type of many fields": b"\x80\x02" + named("numpy", "dtype") + text(LENGTH).replace(b"aa", b"i,") + b"\x85R.",
    # depth
    "deep lists": b"\x80\x02" + b"](" * LENGTH + b"e" * LENGTH + b".",
    "deep dicts": b"\x80\x02" + b"}N" * LENGTH + b"N" + b"s" * LENGTH + b".",
}
# What takes much memory, though no more than a constant times what it has bytes, may be read.
LINEAR = ("dicts", "marks", "a memo")


def peak() -> float:
    """Return the largest memory that this process has taken, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("read", [loads, loads_plain])
def test_a_bomb_ends_at_once(read: Any, name: str) -> None:
    before, started = peak(), time.process_time()
    try:
        read(BOMBS[name], "a.lmdb: record 3")
    except UserError as error:
        message = str(error)
    else:
        message = ""
    if name not in LINEAR:
        assert message.startswith("a.lmdb: record 3: ")
    assert time.process_time() - started < SECONDS
    assert peak() - before < MEBIBYTES


def test_the_bomb_of_the_report_is_small() -> None:
    assert len(BOMBS["tuples as a key"]) < 322


@pytest.mark.parametrize(
    "value",
    [
        {(1, "a"): 2, 3.5: 4, None: 5, 2j: 6, b"x": 7, frozenset([1]): 8, -(2**70): 9},
        {frozenset([1, 2.5])},
        {float(i): i for i in range(UNCOMMON_KEYS)},
        {i: str(i) for i in range(-3_000, 3_000)},
        [{} for _ in range(3_000)],
        [[i] for i in range(3_000)],
        (((((1,),),),),),
        [np.zeros(0, "<U5")] * 10,
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_genuine_data_may_hold(value: Any, protocol: int) -> None:
    found = loads(pickle.dumps(value, protocol))
    np.testing.assert_equal(found, value)


def test_tensors_that_share_numbers_are_read() -> None:
    storage = torch.arange(10_000.0)
    data = Data(pos=storage[:30].view(10, 3), views=[storage[i:] for i in range(60)], row=torch.ones(1).expand(5000))
    found: Any = loads(pickle.dumps(data))
    for one, other in zip(found.views, data.views, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(found.row, data.row)


def test_nothing_that_was_read_is_a_view_of_the_bytes() -> None:
    """An LMDB's bytes may lie in its memory map, whose pages go when its environment is closed."""
    frozen = np.arange(3)
    frozen.flags.writeable = False  # pickled as bytes, and others as bytearrays
    value = [torch.arange(3), np.arange(3), np.asfortranarray(np.eye(2)), frozen]
    for protocol in (2, 4, 5):
        found: Any = loads(pickle.dumps(value, protocol))
        for array in (found[0].numpy(), *found[1:]):
            array[...] = 7  # raises for a view of bytes
            owner = array
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            assert not isinstance(owner.base, bytes)


def record(atoms: int = 9) -> bytes:
    return pickle.dumps(
        Data(
            pos=torch.rand(atoms, 3),
            cell=torch.eye(3).view(1, 3, 3),
            atomic_numbers=torch.ones(atoms),
            natoms=atoms,
            y=-3.5,
            force=torch.rand(atoms, 3),
            table=np.arange(3),
            names={"a": [1, 2.5, "x"]},
        ),
        4,
    )


@pytest.mark.parametrize("seed", range(3))
def test_random_damage_ends_in_an_error_or_a_value(seed: int) -> None:
    rng, whole = np.random.default_rng(seed), record()
    slowest, before = 0.0, peak()
    for _ in range(100):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[at] = rng.integers(256)
        if rng.random() < 0.3:
            del damaged[rng.integers(len(damaged)) :]
        started = time.process_time()
        with contextlib.suppress(UserError):  # any other error fails
            loads(bytes(damaged), "a.lmdb: record 3")
        slowest = max(slowest, time.process_time() - started)
    assert slowest < SECONDS
    assert peak() - before < MEBIBYTES


def test_the_budget_of_a_genuine_record_is_hardly_touched() -> None:
    machine = Machine(record(80), lambda module, name: _ALLOWED[module, name])
    run(machine)
    assert machine.budget > FREE_BYTES + 32 * len(machine.data)


def test_a_few_bytes_may_take_a_mebibyte() -> None:
    """Else small records of the old protocols, which write little for much, would be refused."""
    assert loads(b"\x80\x02(" + b"}" * 1000 + b"l.") == [{}] * 1000
