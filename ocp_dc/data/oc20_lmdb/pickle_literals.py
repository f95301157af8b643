"""Opcodes of a pickle that push a number, text or bytes."""

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
        machine.stack.append(unpack(machine.data, machine.at)[0])  # raises an error past the end
        machine.at += size

    return step


def _length_prefixed(code: str, decode: Callable[[bytes], Any]) -> Step:
    """Return the step that pushes bytes whose length is stored before them."""
    unpack, size = struct.Struct(code).unpack_from, struct.calcsize(code)

    def step(machine: Machine) -> None:
        (length,) = unpack(machine.data, machine.at)
        machine.at += size
        machine.stack.append(decode(machine.take(length)))

    return step


def line(decode: Callable[[bytes], Any]) -> Step:
    """Return the step that pushes the rest of the line, decoded."""

    def step(machine: Machine) -> None:
        machine.stack.append(decode(machine.line()))

    return step


def text(data: bytes) -> str:
    """Return text in the encoding of pickles; a lone surrogate is kept."""
    return data.decode("utf-8", "surrogatepass")


def _quoted(line: bytes) -> str:
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError("a string without quotes")
    return codecs.escape_decode(line[1:-1])[0].decode("ascii")


def integer(line: bytes) -> int:
    """Return the integer with these decimal digits."""
    if len(line) > 1000:  # the time of the conversion grows with their square
        raise ValueError("a number of more than 1000 digits")
    return int(line.rstrip(b"L"))


def _integer_or_flag(line: bytes) -> int | bool:
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else integer(line)


LITERALS: Mapping[bytes, Step] = {
    pickle.INT: line(_integer_or_flag),
    pickle.LONG: line(integer),
    pickle.BININT: number("<i"),
    pickle.BININT1: number("<B"),
    pickle.BININT2: number("<H"),
    pickle.LONG1: _length_prefixed("<B", pickle.decode_long),
    pickle.LONG4: _length_prefixed("<i", pickle.decode_long),
    pickle.FLOAT: line(float),
    pickle.BINFLOAT: number(">d"),
    pickle.STRING: line(_quoted),
    pickle.BINSTRING: _length_prefixed("<i", lambda data: data.decode("ascii")),
    pickle.SHORT_BINSTRING: _length_prefixed("<B", lambda data: data.decode("ascii")),
    pickle.UNICODE: line(lambda data: str(data, "raw-unicode-escape")),
    pickle.BINUNICODE: _length_prefixed("<I", text),
    pickle.SHORT_BINUNICODE: _length_prefixed("<B", text),
    pickle.BINUNICODE8: _length_prefixed("<Q", text),
    pickle.BINBYTES: _length_prefixed("<I", bytes),
    pickle.SHORT_BINBYTES: _length_prefixed("<B", bytes),
    pickle.BINBYTES8: _length_prefixed("<Q", bytes),
    pickle.BYTEARRAY8: _length_prefixed("<Q", bytearray),
}
