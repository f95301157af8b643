"""Changes of a config: values by dotted path."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ocp_dc.core.errors import UserError, bad_value
from ocp_dc.core.overrides import set_path


def apply_changes(config: Mapping[str, Any], changes: Mapping[str, Any] | None, path: str) -> dict[str, Any]:
    """Return a copy of a config with changes applied.

    A value is replaced as a whole. Paths are followed as by :func:`ocp_dc.core.overrides.set_path`, so that
    ``loss_functions.forces.coefficient`` is valid.

    >>> apply_changes({"model": {"name": "dc_schnet"}}, {"model.dc.region": "full"}, "arms.full")
    {'model': {'name': 'dc_schnet', 'dc': {'region': 'full'}}}

    Args:
        config: the config, which is not changed.
        changes: values by dotted path.
        path: the place of the changes in the study, for messages.

    Raises:
        UserError: the changes are not a mapping with text keys, or a path leads through something that is not a block.
    """
    if changes is None:
        changes = {}
    if not isinstance(changes, Mapping) or not all(isinstance(key, str) for key in changes):
        raise bad_value(path, changes, "changes such as {model.dc.region: output}")
    result: dict[str, Any] = copy.deepcopy(dict(config))
    for dotted, value in changes.items():
        if not all(dotted.split(".")):
            raise UserError(f"{path}: got the key {dotted!r}, expected a path such as model.dc.region")
        set_path(result, dotted.split("."), copy.deepcopy(value), f"{path}.{dotted}")
    return result


def short(value: Any) -> str:
    """Return a value of a config on one line.

    >>> short({"name": "irelu", "coefficient": 0.5})
    '{name: irelu, coefficient: 0.5}'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {short(entry)}" for key, entry in value.items()) + "}"
    return str(value)
