"""The opcodes of pickles, as steps of a :class:`~ocp_dc.data.oc20_lmdb.pickle_machine.Machine`.

Python's pickletools describes the format.
Opcodes that data sets do not need (extensions, instances of old-style classes, buffers outside the pickle) are refused.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ocp_dc.data.oc20_lmdb.pickle_literals import LITERALS, Step, integer, line, number, text
from ocp_dc.data.oc20_lmdb.pickle_machine import OBJECT, Machine, Named


def run(machine: Machine) -> Any:
    """Run a pickle to its end and return its content; ``machine.at`` is then the position after it.

    Raises:
        Exception: the pickle is damaged, cut short, or takes too much memory; the type can be almost any.
    """
    data, steps = machine.data, _STEPS
    while (opcode := data[machine.at]) != _STOP:
        machine.at += 1
        steps[opcode](machine)
    machine.at += 1
    return machine.stack.pop()


def _constant(value: Any) -> Step:
    def step(machine: Machine) -> None:
        machine.stack.append(value)

    return step


def _skip(size: int) -> Step:
    def step(machine: Machine) -> None:
        machine.take(size)

    return step


def _mark(machine: Machine) -> None:
    machine.charge(OBJECT)
    machine.below.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine) -> None:
    machine.stack.pop()


def _duplicate(machine: Machine) -> None:
    machine.stack.append(machine.stack[-1])


def _new(kind: Callable[[], Any], size: int = OBJECT) -> Step:
    def step(machine: Machine) -> None:
        machine.charge(size)
        machine.stack.append(kind())

    return step


def _tuple_of(count: int) -> Step:
    def step(machine: Machine) -> None:
        machine.charge(OBJECT)
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return step


def _tuple(machine: Machine) -> None:
    items = machine.marked()  # before the charge: it replaces the stack
    machine.charge(OBJECT)
    machine.stack.append(tuple(items))


def _list(machine: Machine) -> None:
    items = machine.marked()
    machine.stack.append(items)


def _append(machine: Machine) -> None:
    item = machine.stack.pop()
    _of_kind(machine.stack[-1], list).append(item)


def _appends(machine: Machine) -> None:
    items = machine.marked()
    _of_kind(machine.stack[-1], list).extend(items)


def _dict(machine: Machine) -> None:
    items = machine.marked()
    machine.charge(OBJECT)
    machine.stack.append({})
    _set_items(machine, items)


def _setitem(machine: Machine) -> None:
    key, value = machine.stack[-2:]
    del machine.stack[-2:]
    _set_items(machine, [key, value])


def _setitems(machine: Machine) -> None:
    _set_items(machine, machine.marked())


def _set_items(machine: Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict):
        raise TypeError(f"items set on a {type(target).__name__}")
    machine.charge(OBJECT * len(items))
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[machine.key(key)] = value


def _add_items(machine: Machine) -> None:
    items = machine.marked()
    machine.charge(OBJECT * len(items))
    _of_kind(machine.stack[-1], set).update([machine.key(item) for item in items])


def _frozenset(machine: Machine) -> None:
    items = machine.marked()
    machine.charge(OBJECT * (len(items) + 4))
    machine.stack.append(frozenset([machine.key(item) for item in items]))


def _of_kind(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"got a {type(value).__name__}, expected a {kind.__name__}")
    return value


def _get(read: Step) -> Step:
    def step(machine: Machine) -> None:
        read(machine)
        machine.stack.append(machine.memo[machine.stack.pop()])

    return step


def _put(read: Step) -> Step:
    def step(machine: Machine) -> None:
        read(machine)
        machine.charge(OBJECT)
        index = machine.stack.pop()
        machine.memo[index] = machine.stack[-1]

    return step


def _memoize(machine: Machine) -> None:
    machine.charge(OBJECT)
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _global(machine: Machine) -> None:
    module, name = machine.line(), machine.line()
    machine.stack.append(machine.find(text(module), text(name)))


def _stack_global(machine: Machine) -> None:
    module, name = machine.stack[-2:]
    machine.stack[-2:] = [machine.find(_of_kind(module, str), _of_kind(name, str))]


def _call(machine: Machine) -> None:
    named, arguments = machine.stack[-2:]
    if not isinstance(named, Named) or named.function is None or type(arguments) is not tuple:
        raise TypeError(f"a call of a {type(named).__name__}")
    _charge_for(machine, arguments)
    machine.stack[-2:] = [named.function(machine, *arguments)]


def _build(machine: Machine) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    if not hasattr(target, "set_state"):
        raise TypeError(f"a state set on a {type(target).__name__}")
    _charge_for(machine, state if type(state) is tuple else ())
    target.set_state(state)


def _charge_for(machine: Machine, values: tuple[Any, ...]) -> None:
    """Charge for an object made of values, as each value may be in the memo and be used many times."""
    machine.charge(4 * OBJECT + sum(len(value) for value in values if type(value) in (str, bytes, bytearray)))


def _persistent(machine: Machine) -> None:
    if machine.persistent is None:
        raise ValueError("a persistent id")
    machine.stack.append(machine.persistent(machine.stack.pop()))


def _unknown(machine: Machine) -> NoReturn:
    raise ValueError(f"opcode {machine.data[machine.at - 1 : machine.at]!r}")


_BY_OPCODE: Mapping[bytes, Step] = {
    pickle.PROTO: _skip(1),
    pickle.FRAME: _skip(8),
    pickle.MARK: _mark,
    pickle.POP: _pop,
    pickle.POP_MARK: lambda machine: machine.marked().clear(),
    pickle.DUP: _duplicate,
    pickle.NONE: _constant(None),
    pickle.NEWTRUE: _constant(True),
    pickle.NEWFALSE: _constant(False),
    **LITERALS,
    pickle.EMPTY_TUPLE: _constant(()),
    pickle.TUPLE1: _tuple_of(1),
    pickle.TUPLE2: _tuple_of(2),
    pickle.TUPLE3: _tuple_of(3),
    pickle.TUPLE: _tuple,
    pickle.EMPTY_LIST: _new(list),
    pickle.LIST: _list,
    pickle.APPEND: _append,
    pickle.APPENDS: _appends,
    pickle.EMPTY_DICT: _new(dict),
    pickle.DICT: _dict,
    pickle.SETITEM: _setitem,
    pickle.SETITEMS: _setitems,
    pickle.EMPTY_SET: _new(set, 4 * OBJECT),
    pickle.ADDITEMS: _add_items,
    pickle.FROZENSET: _frozenset,
    pickle.GET: _get(line(integer)),
    pickle.BINGET: _get(number("<B")),
    pickle.LONG_BINGET: _get(number("<I")),
    pickle.PUT: _put(line(integer)),
    pickle.BINPUT: _put(number("<B")),
    pickle.LONG_BINPUT: _put(number("<I")),
    pickle.MEMOIZE: _memoize,
    pickle.GLOBAL: _global,
    pickle.STACK_GLOBAL: _stack_global,
    pickle.REDUCE: _call,
    pickle.NEWOBJ: _call,
    pickle.BUILD: _build,
    pickle.BINPERSID: _persistent,
}
_STOP = pickle.STOP[0]
_STEPS = [_BY_OPCODE.get(bytes([opcode]), _unknown) for opcode in range(256)]
