"""Check the time and memory that the pickle in a file of torch.save needs, before torch runs it.

torch's weights_only unpickler runs no code, but a few hundred bytes can keep it busy forever (nested tuples with shared
parts as the key of a dict) or fill the memory (many objects of two bytes each).
"""

from __future__ import annotations

import pickletools
import re
from typing import IO, Any

from ocp_dc.core.errors import UserError

MOST_HASH_WORK = 1000  # parts of a tuple, counting shared ones each time; files of torch.save have about 20
# names that torch allows although they create buffers of any size
BUFFERS = re.compile(r"(builtins|__builtin__)\.bytearray|torch\.(\w+\.)*\w+Tensor")
# approximate size in bytes of the object that an opcode creates
COSTS = {"REDUCE": 1000, "NEWOBJ": 1000, "EMPTY_SET": 216, "EMPTY_DICT": 64, "EMPTY_LIST": 56, "BUILD": 64}
OTHER_COST = 32
FREE_MEMORY = 64 << 20
MEMORY_PER_BYTE = 20  # per byte of the file


def check_pickle(file: IO[bytes], size: int, where: str) -> None:
    """Check one pickle, and leave the file positioned after it.

    Args:
        file: a file, positioned at the pickle.
        size: the size of the whole file in bytes.
        where: the file, for messages.

    Raises:
        UserError: the pickle would take more time or memory than a file of this size can need.
        ValueError, IndexError, KeyError: the file is not a pickle.
    """
    stack: list[int | None] = []  # the cost of hashing each object; None is a mark
    memo: dict[int, int | None] = {}
    spent = 0
    for opcode, argument, _ in pickletools.genops(file):
        spent += COSTS.get(opcode.name, OTHER_COST) + (len(argument) if isinstance(argument, (str, bytes)) else 0)
        if spent > FREE_MEMORY + MEMORY_PER_BYTE * size:
            raise UserError(f"{where}: would take far more memory than its {size} bytes can need; it is refused")
        name = str(argument).replace(" ", ".")
        if opcode.name in ("GLOBAL", "INST") and BUFFERS.fullmatch(name):
            raise UserError(f"{where}: names {name}, which no checkpoint holds; it is refused")
        _step(opcode, argument, stack, memo)
        if stack and (stack[-1] or 0) > MOST_HASH_WORK:
            raise UserError(
                f"{where}: holds a tuple of {stack[-1]} nested parts, which no checkpoint does; it is refused"
            )


def _step(opcode: pickletools.OpcodeInfo, argument: Any, stack: list[int | None], memo: dict[int, int | None]) -> None:
    """Apply an opcode to the stack."""
    name = opcode.name
    if name in ("PUT", "BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name == "DUP":
        stack.append(stack[-1])
    elif name == "MARK":
        stack.append(None)
    else:
        popped = _pop(opcode, stack)
        made = 1 + sum(part or 0 for part in popped) if name.startswith("TUPLE") else 1
        stack.extend(made for _ in opcode.stack_after)


def _pop(opcode: pickletools.OpcodeInfo, stack: list[int | None]) -> list[int | None]:
    popped: list[int | None] = []
    below = len(opcode.stack_before)
    if pickletools.markobject in opcode.stack_before:  # pop all objects above the mark, and the operands below it
        below = opcode.stack_before.index(pickletools.markobject)
        while (part := stack.pop()) is not None:
            popped.append(part)
    popped.extend(stack.pop() for _ in range(below))
    return popped
