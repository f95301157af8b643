"""Import hook that prepares stock fairchem 1.10 for this package when fairchem is imported, and not earlier.

A ``.pth`` file runs :func:`install` at each start of Python, so that the plugin also works with the stock ``fairchem``
command, and in ranks and workers that a script spawns. It adds one finder to ``sys.meta_path``, at first for two
modules:

* ``fairchem.core.common.registry``, the first module that ``import fairchem.core`` loads. When it is loaded, the
  fallbacks of :mod:`ocp_dc.fallbacks.install` replace missing compiled packages. Without them the import would fail, so
  that no working installation changes. Installed packages have precedence, as all other finders are asked first.
  Lookups in the registry are wrapped: the first lookup of a name of the plugin imports :mod:`ocp_dc.fairchem1`.
* ``fairchem.core.modules.transforms``, which gets a function ``label_rescaling`` that imports the plugin, too.

A process that uses no name of the plugin does not load the hooks of :mod:`ocp_dc.fairchem1`, which change the behavior
of fairchem. These hooks use the finder, too: :func:`after_import` changes a module when it is imported, so that they
need not import every model. The finder is the first in ``sys.meta_path``: the last one would not be asked for modules
that other finders find, and registered names would be unknown where the compiled packages are installed. It handles
only modules that are to be changed, and returns the specs of the other finders.

The hook imports nothing at the start of Python. ``OCP_DC_AUTOLOAD=0`` in the environment disables it. It does not
change other versions of fairchem.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing takes longer to import than this module
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

FAIRCHEM_VERSION = "1.10.0"
PLUGIN = "ocp_dc.fairchem1"
REGISTRY = "fairchem.core.common.registry"
TRANSFORMS = "fairchem.core.modules.transforms"
TRANSFORM = "label_rescaling"
PREFIX = "dc_"  # of the models of the plugin
# Names that ocp_dc.fairchem1 registers, by the name of the mapping in the registry.
NAMES = {
    "dataset_name_mapping": ("lmdb_in_memory",),
    "logger_name_mapping": ("none",),
    "loss_name_mapping": ("huber",),
    "model_name_mapping": ("cgcnn", "forcenet"),
    "trainer_name_mapping": ("dc",),
}


def install() -> None:
    """Install the finder; a second call has no effect."""
    if not any(isinstance(finder, HostFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, HostFinder())


def after_import(name: str, change: Callable[[Any], None]) -> None:
    """Call ``change`` with a module of fairchem 1.10: now if it is loaded, and whenever it is loaded from now on.

    Args:
        name: the dotted name of the module.
        change: a change that has no further effect when it is made again; a second call with it has none either.
    """
    changes = _changes.setdefault(name, [])
    if change in changes:
        return
    changes.append(change)
    install()
    if name in sys.modules:
        change(sys.modules[name])


class HostFinder:
    """Finds the modules to be changed with the other finders, and changes each module after it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of the other finders for a module that is to be changed, or None for any other."""
        if name not in _changes:
            return None
        others = [finder for finder in sys.meta_path if not isinstance(finder, HostFinder)]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and hasattr(spec.loader, "exec_module") and _is_host():
            _call_after_load(spec.loader, name)
        return spec


def is_plugin_name(name: str, mapping: str) -> bool:
    """Return whether ocp_dc.fairchem1 registers this name in fairchem's registry."""
    return name in NAMES.get(mapping, ()) or (mapping == "model_name_mapping" and name.startswith(PREFIX))


def _is_host() -> bool:
    """Return whether the version of fairchem that ocp_dc.fairchem1 supports is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fairchem-core") == FAIRCHEM_VERSION
    except PackageNotFoundError:
        return False


def _call_after_load(loader: Any, name: str) -> None:
    """Make a loader change each module after loading it."""
    load = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        load(module)
        for change in list(_changes[name]):
            change(module)

    loader.exec_module = exec_module


def _prepare_host(registry: Any) -> None:
    from ocp_dc.fallbacks.install import install as install_fallbacks

    install_fallbacks()
    stock = registry.Registry.get_class.__func__

    def get_class(cls: Any, name: str, mapping_name: str) -> Any:
        if is_plugin_name(name, mapping_name) and name not in cls.mapping[mapping_name]:
            _load_plugin()
        return stock(cls, name, mapping_name)

    registry.Registry.get_class = classmethod(get_class)


def _add_transform(transforms: Any) -> None:
    def label_rescaling(data_object: Any, config: Any) -> Any:
        """Import the plugin, which replaces this function by its transform, and apply the transform."""
        _load_plugin()
        return getattr(transforms, TRANSFORM)(data_object, config)

    setattr(transforms, TRANSFORM, label_rescaling)


def _load_plugin() -> None:
    from importlib import import_module

    import_module(PLUGIN)  # by name, as fallbacks may not depend on this layer


# by the names of the modules
_changes: dict[str, list[Callable[[Any], None]]] = {REGISTRY: [_prepare_host], TRANSFORMS: [_add_transform]}
