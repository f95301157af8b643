"""Tables of fairchem's registry that import what they name at the first use of a name.

fairchem's ``setup_imports`` imports all models, data sets and trainers before the first name is looked up, which takes
seconds. With these tables it does nothing: a name that is not there yet imports the wrapper of that name, or of
``dc_`` and that name, which imports the stock model; any other name, and anything that lists the names, imports all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from fairchem.core.common import utils
from fairchem.core.common.registry import registry

from ocp_dc.core.log_level import raised_log_level
from ocp_dc.fairchem1 import wrappers

TABLES = "_name_mapping"
MODELS = "model_name_mapping"
FLAG = "imports_setup"  # the state of the registry by which fairchem knows that everything is imported


class LazyNames(dict[str, Any]):
    """A table of the registry: names and classes.

    Args:
        names: the names that are known so far.
        wrapped: whether names may be those of wrappers, or of the models that they wrap.
    """

    def __init__(self, names: dict[str, Any], wrapped: bool) -> None:
        super().__init__(names)
        self.wrapped = wrapped

    def loaded(self) -> list[tuple[str, Any]]:
        """Return the names whose classes are imported, and these."""
        return list(super().items())

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name):
            self._import(name)
        return super().__contains__(name)

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name) if name in self else self.__missing__(name)

    def __missing__(self, name: str) -> Any:
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the class of this name, or ``default``."""
        return super().get(name, default) if name in self else default

    def __iter__(self) -> Iterator[str]:
        import_all()
        return super().__iter__()

    def __len__(self) -> int:
        import_all()
        return super().__len__()

    def keys(self) -> Any:
        """Return all names."""
        import_all()
        return super().keys()

    def values(self) -> Any:
        """Return all classes."""
        import_all()
        return super().values()

    def items(self) -> Any:
        """Return all names and classes."""
        import_all()
        return super().items()

    def _import(self, name: object) -> None:
        for wrapper in (name, f"dc_{name}") if self.wrapped else ():
            if wrapper in wrappers.WRAPPERS:
                wrappers.import_wrapper(str(wrapper))
        if not super().__contains__(name):
            import_all()


def install() -> None:
    """Replace the tables of the registry; a second call changes nothing."""
    tables = registry.mapping
    for key, names in tables.items():
        if key.endswith(TABLES) and not isinstance(names, LazyNames):
            tables[key] = LazyNames(names, key == MODELS)
            registry.register(FLAG, True)


_state = {"imported": False}


def import_all() -> None:
    """Import everything of fairchem and of this package that registers a name; a second call does nothing."""
    if _state["imported"]:
        return
    _state["imported"] = True  # what is imported looks names up itself
    wrappers.import_all()
    registry.unregister(FLAG)
    with raised_log_level(logging.WARNING):  # fairchem logs every import
        utils.setup_imports()


def loaded(table: str) -> list[tuple[str, type]]:
    """Return the names of a table whose classes are imported, and these; imports nothing."""
    names = registry.mapping[table]
    return names.loaded() if isinstance(names, LazyNames) else list(names.items())
