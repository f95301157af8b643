"""The state of a machine that runs pickles as data, with time and memory bounded by the length of the pickle.

A pickle that names no object can still stop Python's unpickler: 300 bytes of nested tuples as the key of a dict take
practically forever to hash, and one wrong byte makes it request gigabytes. Here keys must be plain values, each new
object is charged to a memory budget, and lengths are compared with the remaining bytes. The opcodes are in
:mod:`ocp_dc.data.oc20_lmdb.pickle_opcodes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

BYTES_PER_BYTE = 64  # of memory, per byte of a pickle: an empty dict takes 64 bytes, and one or two in the pickle
FREE_BYTES = 1 << 20
OBJECT = 64  # bytes charged for an object, in addition to its content
UNCOMMON_KEYS = 4096  # keys of types whose hashes an attacker can make equal
HASHES_AS_ITSELF = 1 << 61  # smaller integers have different hashes
LONGEST_KEY = 64  # items of a tuple
LARGEST_KEY = 1024  # bits of an integer
PLAIN = (str, bytes, int, float, bool, complex, type(None))


class Named:
    """An object that a pickle may name: a function that it may call, or a name that it may only mention.

    Args:
        function: called with the machine, whose budget it charges, and the arguments in the pickle. If the result has
            ``set_state``, the pickle can set its state. None: the name may appear but not be called.
    """

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self.function = function


class Machine:
    """Runs one pickle.

    Args:
        data: bytes that hold the pickle.
        find: returns the object for a module and a name, or raises an error.
        at: the position of the first byte of the pickle.
        persistent: returns the object for a persistent id; None refuses such ids.

    Attributes:
        at: the position of the next byte.
        stack: the values above the last mark.
        below: the stack below each mark.
        memo: values that the pickle has stored, by index.
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
        """Subtract bytes of memory from the budget.

        Raises:
            MemoryError: the budget is spent.
        """
        self.budget -= size
        if size < 0 or self.budget < 0:
            raise MemoryError(f"takes far more memory than it has bytes ({len(self.data)})")

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        start, self.at = self.at, self.at + size
        if size < 0 or self.at > len(self.data):
            raise EOFError(f"a length of {size} runs past the end")
        return self.data[start : self.at]

    def line(self) -> bytes:
        """Return the bytes up to the next line break, and skip the line break."""
        start, end = self.at, self.data.index(b"\n", self.at)
        self.at = end + 1
        return self.data[start:end]

    def marked(self) -> list[Any]:
        """Return the values above the last mark, and remove the mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def key(self, value: Any) -> Any:
        """Check that a key of a dict or an element of a set is cheap to hash and to compare, and return it."""
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
