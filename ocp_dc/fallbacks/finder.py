"""Load what stock fairchem 1.10 needs of this package when somebody imports fairchem, and not before.

A ``.pth`` file runs :func:`install` at each start of Python, so that the stock ``fairchem`` command works, and so do
the ranks and workers that a script spawns. It puts one finder on ``sys.meta_path``, which waits for two modules:

* ``fairchem.core.common.registry``, the first one that ``import fairchem.core`` loads. Then the stand-ins of
  :mod:`ocp_dc.fallbacks.install` go in force where a compiled package is missing: without them the import would fail,
  so that no working installation changes. Real packages win, since every other finder is asked for them first.
  Lookups in the registry are wrapped: a name of ours that is asked for first imports :mod:`ocp_dc.fairchem1`.
* ``fairchem.core.modules.transforms``, where the name ``label_rescaling`` gets a function that does the same.

The hooks of :mod:`ocp_dc.fairchem1`, which change how fairchem behaves, are in force in no process that uses none of
our names. A finder at the end of ``sys.meta_path`` could give the stand-ins, but is never asked for modules that exist:
where the compiled packages are installed it would not be asked at all, and registered names would not be found. So this
one is the first, and answers for these two names alone, with what the others find.

It imports nothing at the start; ``OCP_DC_AUTOLOAD=0`` in the environment switches it off. Another version of fairchem
is left alone.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing takes longer to import than this module
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

FAIRCHEM_VERSION = "1.10.0"
PLUGIN = "ocp_dc.fairchem1"
REGISTRY = "fairchem.core.common.registry"
TRANSFORMS = "fairchem.core.modules.transforms"
TRANSFORM = "label_rescaling"
PREFIX = "dc_"  # of our models
# What ocp_dc.fairchem1 registers, by the registry's own word for the kind.
NAMES = {
    "dataset_name_mapping": ("lmdb_in_memory",),
    "logger_name_mapping": ("none",),
    "model_name_mapping": ("cgcnn", "forcenet"),
    "trainer_name_mapping": ("dc",),
}


def install() -> None:
    """Put the finder in force; a second call changes nothing."""
    if not any(isinstance(finder, HostFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, HostFinder())


class HostFinder:
    """Finds two modules of fairchem as the other finders do, and changes each when it has been loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders have for a module of fairchem that we wait for; otherwise None."""
        if name != REGISTRY and name != TRANSFORMS:
            return None
        others = [finder for finder in sys.meta_path if not isinstance(finder, HostFinder)]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and hasattr(spec.loader, "exec_module") and _is_host():
            _call_after(spec.loader, _prepare_host if name == REGISTRY else _name_transform)
        return spec


def is_ours(name: str, mapping: str) -> bool:
    """Return whether a name of fairchem's registry is one that ocp_dc.fairchem1 registers."""
    return name in NAMES.get(mapping, ()) or (mapping == "model_name_mapping" and name.startswith(PREFIX))


def _is_host() -> bool:
    """Return whether the fairchem that is installed is the one that ocp_dc.fairchem1 is written for."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fairchem-core") == FAIRCHEM_VERSION
    except PackageNotFoundError:
        return False


def _call_after(loader: Any, change: Any) -> None:
    """Let a loader call ``change`` with the module that it has loaded."""
    load = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        load(module)
        change(module)

    loader.exec_module = exec_module


def _prepare_host(registry: Any) -> None:
    from ocp_dc.fallbacks.install import install as install_fallbacks

    install_fallbacks()
    stock = registry.Registry.get_class.__func__

    def get_class(cls: Any, name: str, mapping_name: str) -> Any:
        if is_ours(name, mapping_name) and name not in cls.mapping[mapping_name]:
            _load_plugin()
        return stock(cls, name, mapping_name)

    registry.Registry.get_class = classmethod(get_class)


def _name_transform(transforms: Any) -> None:
    def label_rescaling(data_object: Any, config: Any) -> Any:
        """Do what the transform of this name does; the import of the plugin puts it in the place of this function."""
        _load_plugin()
        return getattr(transforms, TRANSFORM)(data_object, config)

    setattr(transforms, TRANSFORM, label_rescaling)


def _load_plugin() -> None:
    from importlib import import_module

    import_module(PLUGIN)  # by its name: this package lies below it
