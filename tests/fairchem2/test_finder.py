"""The import hook for fairchem 1.10, which each start of Python installs, does nothing with fairchem 2."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import fairchem.core
from fairchem.core.common import registry

from ocp_dc.fallbacks.finder import REGISTRY, TRANSFORMS, HostFinder


def test_specs_are_left_as_they_are() -> None:
    folder = str(Path(fairchem.core.__file__).parent / "common")
    spec = HostFinder().find_spec(REGISTRY, [folder])
    assert spec.name == REGISTRY
    assert "exec_module" not in vars(spec.loader)
    assert HostFinder().find_spec(TRANSFORMS, [folder]) is None  # fairchem 2 has no such module


def test_importing_fairchem_changes_nothing() -> None:
    importlib.import_module("ocp_dc.fairchem2.dc_model")
    assert registry.Registry.get_class.__func__.__module__ == registry.__name__
    assert {name for name in sys.modules if name.startswith(("ocp_dc.fallbacks.install", "ocp_dc.fairchem1"))} == set()
