"""Check the names of classes in the config of a hydra, for which fairchem's own error lists its registry."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from fairchem.core.common.registry import registry

from ocp_dc.core.errors import UserError, nearest


def check_classes(backbone: Mapping[str, Any] | None, heads: Mapping[str, Any] | None) -> None:
    """Check that the classes of backbone and heads can be imported.

    Args:
        backbone: the block with the name ``model``.
        heads: a block with the name ``module`` for each head.

    Raises:
        UserError: there is no such class; the message has the nearest name.
    """
    if isinstance(backbone, Mapping):
        _check(backbone.get("model"), "model.backbone.model")
    for head, block in (heads or {}).items():
        if isinstance(block, Mapping):
            _check(block.get("module"), f"model.heads.{head}.module")


def _check(name: Any, path: str) -> None:
    if not isinstance(name, str):
        raise UserError(f"{path}: got {name!r}, expected the dotted path of a class")
    if "." not in name:  # a short name
        return
    try:
        registry.get_model_class(name)
    except RuntimeError as error:
        raise UserError(f"{path}: got {name!r}, and {_reason(name)}") from error


def _reason(name: str) -> str:
    """Return why a class cannot be imported, with the nearest name."""
    module_name, _, class_name = name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        package, _, last = module_name.rpartition(".")
        if error.name != module_name or not package:
            return f"there is no module {error.name}"
        names = [each.name for each in pkgutil.iter_modules(importlib.import_module(package).__path__)]
        return f"there is no module {module_name}.{nearest(last, names)}"
    classes = [key for key, value in vars(module).items() if isinstance(value, type)]
    return f"{module_name} has no class {class_name}.{nearest(class_name, classes)}"
