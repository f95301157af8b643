"""The state of a machine that runs pickles as data, in time and memory bounded by their length.

Python's own unpickler can be stopped by a pickle that names nothing: 300 bytes of nested tuples as the key of a dict
take forever to hash, and one wrong byte makes it ask for gigabytes. Here keys must be plain values, whatever is made is
charged to a budget, and lengths are compared with the bytes that are there. What the opcodes do is in
:mod:`ocp_dc.data.oc20_lmdb.pickle_opcodes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

BYTES_PER_BYTE = 64  # of memory, for each byte of a pickle: an empty dict takes 64, and is written in one or two
FREE_BYTES = 1 << 20
OBJECT = 64  # bytes that an object is charged with, beside what it holds
UNCOMMON_KEYS = 4096  # of a kind whose hashes an author can choose to be equal
HASHES_AS_ITSELF = 1 << 61  # whole numbers below have different hashes
LONGEST_KEY = 64  # items of a tuple
LARGEST_KEY = 1024  # bits of a whole number
PLAIN = (str, bytes, int, float, bool, complex, type(None))


class Named:
    """What a pickle may name: a function that it may call, or nothing more than the name.

    Args:
        function: called with the machine, whose budget it charges, and the arguments in the pickle; a pickle can set a
            state on what it returns where that has ``set_state``. None: the name may appear and not be called.
    """

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self.function = function


class Machine:
    """Runs one pickle.

    Args:
        data: bytes that hold the pickle.
        find: gives what a module and a name stand for, or raises.
        at: where the pickle begins.
        persistent: gives what a persistent id stands for; None refuses them.

    Attributes:
        at: the byte that is read next.
        stack: the values above the last mark.
        below: the stacks under each mark.
        memo: values that the pickle keeps, by index.
    """

    def __init__(
        self,
        data: bytes,
        find: Callable[[str, str], Named],
        at: int = 0,
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        self.data = data
        self.at = at
        self.find = find
        self.persistent = persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.budget = FREE_BYTES + BYTES_PER_BYTE * (len(data) - at)
        self.uncommon_keys = 0

    def charge(self, size: int) -> None:
        """Take bytes of memory from the budget, and stop where it is spent."""
        self.budget -= size
        if size < 0 or self.budget < 0:
            raise MemoryError(f"takes far more memory than it has bytes ({len(self.data)})")

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        start, self.at = self.at, self.at + size
        if size < 0 or self.at > len(self.data):
            raise EOFError(f"a length of {size} runs past the end")
        return self.data[start : self.at]

    def line(self) -> bytes:
        """Return the bytes up to the next end of a line, which is passed."""
        start, end = self.at, self.data.index(b"\n", self.at)
        self.at = end + 1
        return self.data[start:end]

    def marked(self) -> list[Any]:
        """Return what lies above the last mark, and drop the mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def key(self, value: Any) -> Any:
        """Return a key of a dict or an element of a set, or refuse one that is dear to hash or compare."""
        kind = type(value)
        if kind is str or kind is bytes or (kind is int and -HASHES_AS_ITSELF < value < HASHES_AS_ITSELF):
            return value
        self.uncommon_keys += 1
        items: Iterable[Any] = value if kind in (tuple, frozenset) and len(value) <= LONGEST_KEY else (value,)
        if self.uncommon_keys > UNCOMMON_KEYS or not all(map(_is_plain, items)):
            raise ValueError(f"a {kind.__name__} as a key; expected text and numbers")
        return value


def _is_plain(value: Any) -> bool:
    return type(value) in PLAIN and (type(value) is not int or value.bit_length() <= LARGEST_KEY)
