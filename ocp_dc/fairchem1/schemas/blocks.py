"""Parts of the schema from the tables of the checks."""

from __future__ import annotations

from collections.abc import Mapping

from ocp_dc.core.json_schema import Schema, block
from ocp_dc.fairchem1.checks.value_check import SWITCHES


def block_of(keys: Mapping[str, str], schemas: Mapping[str, Schema]) -> Schema:
    """Return the schema of a block.

    Args:
        keys: its keys, each with its meaning; an empty text for none.
        schemas: the schemas of their values; a key without one takes any value.
    """
    described: dict[str, Schema] = {key: {"description": words} if words else {} for key, words in keys.items()}
    return block({key: {**words, **schemas.get(key, {})} for key, words in described.items()})


def switches(kind: str) -> dict[str, Schema]:
    """Return the schemas of the keys of a block that are true or false."""
    return {key: {"type": ["boolean", "null"]} for key in SWITCHES[kind].split()}
