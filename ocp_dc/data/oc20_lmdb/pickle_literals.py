"""The opcodes of a pickle that push a number, a text or bytes."""

from __future__ import annotations

import codecs
import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any

from ocp_dc.data.oc20_lmdb.pickle_machine import Machine

Step = Callable[[Machine], None]


def number(code: str) -> Step:
    """Return the step that pushes a number in the format of :mod:`struct`."""
    unpack, size = struct.Struct(code).unpack_from, struct.calcsize(code)

    def step(machine: Machine) -> None:
        machine.stack.append(unpack(machine.data, machine.at)[0])  # raises past the end
        machine.at += size

    return step


def _counted(code: str, decode: Callable[[bytes], Any]) -> Step:
    """Return the step that pushes as many bytes as a number before them says."""
    unpack, size = struct.Struct(code).unpack_from, struct.calcsize(code)

    def step(machine: Machine) -> None:
        (length,) = unpack(machine.data, machine.at)
        machine.at += size
        machine.stack.append(decode(machine.take(length)))

    return step


def line(decode: Callable[[bytes], Any]) -> Step:
    """Return the step that pushes what stands on the rest of the line."""

    def step(machine: Machine) -> None:
        machine.stack.append(decode(machine.line()))

    return step


def text(data: bytes) -> str:
    """Return text as pickles hold it; half of a surrogate pair is kept."""
    return data.decode("utf-8", "surrogatepass")


def _quoted(line: bytes) -> str:
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError("a string without quotes")
    return codecs.escape_decode(line[1:-1])[0].decode("ascii")


def whole(line: bytes) -> int:
    """Return a whole number from its decimal digits."""
    if len(line) > 1000:  # reading decimal digits takes time as their square
        raise ValueError("a number of more than 1000 digits")
    return int(line.rstrip(b"L"))


def _whole_or_flag(line: bytes) -> int | bool:
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else whole(line)


LITERALS: Mapping[bytes, Step] = {
    pickle.INT: line(_whole_or_flag),
    pickle.LONG: line(whole),
    pickle.BININT: number("<i"),
    pickle.BININT1: number("<B"),
    pickle.BININT2: number("<H"),
    pickle.LONG1: _counted("<B", pickle.decode_long),
    pickle.LONG4: _counted("<i", pickle.decode_long),
    pickle.FLOAT: line(float),
    pickle.BINFLOAT: number(">d"),
    pickle.STRING: line(_quoted),
    pickle.BINSTRING: _counted("<i", lambda data: data.decode("ascii")),
    pickle.SHORT_BINSTRING: _counted("<B", lambda data: data.decode("ascii")),
    pickle.UNICODE: line(lambda data: str(data, "raw-unicode-escape")),
    pickle.BINUNICODE: _counted("<I", text),
    pickle.SHORT_BINUNICODE: _counted("<B", text),
    pickle.BINUNICODE8: _counted("<Q", text),
    pickle.BINBYTES: _counted("<I", bytes),
    pickle.SHORT_BINBYTES: _counted("<B", bytes),
    pickle.BINBYTES8: _counted("<Q", bytes),
    pickle.BYTEARRAY8: _counted("<Q", bytearray),
}
