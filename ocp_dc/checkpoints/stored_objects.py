"""Stand-ins for the classes in a checkpoint of fairchem 2, and their content as plain data.

fairchem pickles a dataclass whose configs may be objects of OmegaConf. The names of those classes stand for inert
classes here, which only keep the state that the file contains.
"""

from __future__ import annotations

from typing import Any

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.training.checkpoint_origin import CHECKPOINT_CLASS
from ocp_dc.training.plain_content import DEEPEST, MOST_ENTRIES


class _Stored:
    """An object of which only the state is kept."""

    state: Any = None

    def __new__(cls, *arguments: object) -> _Stored:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class StoredCheckpoint(_Stored):
    """An MLIPInferenceCheckpoint."""


class _Node(_Stored):
    """A container or a value of OmegaConf."""


class _Unused(_Stored):
    """A part of OmegaConf's bookkeeping: types, metadata, caches of resolvers."""


_NODES = ("AnyNode", "BooleanNode", "BytesNode", "FloatNode", "IntegerNode", "PathNode", "StringNode")
STAND_INS: dict[str, type] = {
    CHECKPOINT_CLASS: StoredCheckpoint,
    "omegaconf.dictconfig.DictConfig": _Node,
    "omegaconf.listconfig.ListConfig": _Node,
    **{f"omegaconf.nodes.{name}": _Node for name in _NODES},
    "omegaconf.base.ContainerMetadata": _Unused,
    "omegaconf.base.Metadata": _Unused,
    "typing.Any": _Unused,
    "collections.defaultdict": _Unused,
    **{f"builtins.{name}": _Unused for name in ("bool", "dict", "float", "int", "list", "str")},
}


def plain_config(value: Any, where: str) -> Any:
    """Return a config as dicts, lists, numbers, text, bools and None.

    Args:
        value: the config as read, with stand-ins for the objects of OmegaConf.
        where: the file and the part of it, for messages.

    Raises:
        UnsafeDataError: it contains something else, or an interpolation, which could run a resolver.
        UserError: it is too deep or too large, or contains itself.
    """
    count = 0

    def plain(value: Any, depth: int) -> Any:
        nonlocal count
        count += 1
        if depth > DEEPEST or count > MOST_ENTRIES:
            raise UserError(
                f"{where} has more than {DEEPEST} levels or {MOST_ENTRIES} entries, or holds itself; no config is like "
                "that, and the file is refused"
            )
        if isinstance(value, _Node):
            value = _content(value, where)
        if isinstance(value, dict):
            return {_key(key, where): plain(part, depth + 1) for key, part in dict.items(value)}
        if isinstance(value, (list, tuple)):
            return [plain(part, depth + 1) for part in value]
        if isinstance(value, str) and "${" in value:
            raise UnsafeDataError(
                f"{where} holds the interpolation {value!r:.80}, which would be evaluated; expected a resolved config, "
                "as `fairchem` saves it; the checkpoint is refused"
            )
        if value is None or type(value) in (str, int, float, bool):
            return value
        raise UnsafeDataError(
            f"{where} holds a {type(value).__name__}, expected plain values; the checkpoint is refused"
        )

    return plain(value, 0)


def _content(node: _Node, where: str) -> Any:
    state = node.state
    if isinstance(state, dict):
        for key in ("_content", "_val"):
            if key in state:
                return state[key]
    raise UserError(f"{where} holds an object of OmegaConf without content; the file is damaged")


def _key(key: Any, where: str) -> Any:
    if type(key) in (str, int, bool):
        return key
    raise UnsafeDataError(f"{where} has a key of type {type(key).__name__}, expected text; the checkpoint is refused")
