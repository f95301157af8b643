"""Configs and metrics as plain data, for YAML, JSON and checkpoints that are read with weights_only."""

from __future__ import annotations

from typing import Any


def as_plain_data(value: Any) -> Any:
    """Return ``value`` with mappings as dicts, sequences as lists, numbers as Python numbers, and the rest as text."""
    if isinstance(value, dict):
        return {str(key): as_plain_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain_data(item) for item in value]
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return as_plain_data(value.item()) if hasattr(value, "item") and getattr(value, "size", 0) == 1 else str(value)
