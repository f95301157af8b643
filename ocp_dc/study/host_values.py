"""Values of a study that depend on the host: a mapping whose keys are names of hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocp_dc.core.errors import UserError
from ocp_dc.hosts import IN_WORDS, installed_name


def choose_host_values(block: Mapping[str, Any], host: str | None, where: str) -> dict[str, Any]:
    """Return a study's block with each mapping by host replaced by the value of one host, at any depth.

    >>> choose_host_values({"base": {"fairchem1": "a.yml", "fairchem2": "b.yaml"}}, "fairchem2", "study.yml")
    {'base': 'b.yaml'}

    Args:
        block: the block.
        host: the name of the host; None for the one that is installed, which is only needed for such a mapping.
        where: the file, for messages.

    Raises:
        UserError: a mapping has no value for the host, or names a host beside something else.
    """
    return {key: _choose(value, host, f"{where}: {key}") for key, value in block.items()}


def _choose(value: Any, host: str | None, path: str) -> Any:
    if isinstance(value, list):
        return [_choose(entry, host, f"{path}[{number}]") for number, entry in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    if not set(value) & set(IN_WORDS):
        return {key: _choose(entry, host, f"{path}.{key}") for key, entry in value.items()}
    if wrong := [str(key) for key in value if key not in IN_WORDS]:
        raise UserError(f"{path}: got {', '.join(wrong)} beside names of hosts, expected only {' and '.join(IN_WORDS)}")
    host = host or installed_name()
    if host not in value:
        raise UserError(f"{path}: has no value for {host}, only for {', '.join(value)}; add it")
    return value[host]
