"""Differences between the config of a run and the most similar config that ships."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ocp_dc.core.config_names import configs_folder, shipped_configs
from ocp_dc.hosts import Host

# keys that every run sets, or that say the same in other words
IGNORED = re.compile(
    r"job\.|trainer$|task\.|model\.name$|.*\.job_config|.*\.(tasks|normalizer|element_references)\b|.*\.test_dataloader\."
)
REFERENCE = re.compile(r"\$\{([\w.]+)\}")  # of a config of fairchem 2 to another key
ABSENT = "–"


class Changes(NamedTuple):
    """The differences of a config.

    Args:
        base: the name of the config that ships.
        values: by dotted key, the value that ships and that of the run.
    """

    base: str
    values: dict[str, tuple[str, str]]


def config_changes(host: Host, config: Mapping[str, Any]) -> Changes | None:
    """Compare a config with the one that ships and differs least; None if none is of the same model.

    Args:
        host: the host of the run.
        config: the resolved config of the run.
    """
    found = [Changes(name, _differences(_load(host, name), config)) for name in _candidates(host, config)]
    return min(found, key=lambda each: len(each.values), default=None)


def _candidates(host: Host, config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the configs of the host whose model the config names."""
    words = " ".join(str(value) for value in _flat(config).values() if isinstance(value, str)).lower()
    for name, _ in shipped_configs():
        folder, _, file = name.partition("/")
        of_host = (folder == "fairchem2") == (host.name == "fairchem2") and folder not in ("studies", "pinn", "dc")
        if of_host and re.split(r"[-.]", file)[0] in words:
            yield name


def _load(host: Host, name: str) -> dict[str, Any]:
    with _quiet():
        return host.studies.load(Path(configs_folder(), name))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the warnings of configs, which a run of them shows."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _differences(base: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    shared = {key: _resolved(value, base) for key, value in base.items() if key in config}
    ours, theirs = _flat(config), _flat(shared)
    changed = {}
    for key in [*theirs, *(key for key in ours if key not in theirs)]:
        before, now = theirs.get(key), ours.get(key)
        computed = "${" in str(before)  # by a resolver, from the data
        if before != now and not computed and not IGNORED.match(key):
            changed[key] = tuple(ABSENT if value is None else _short(value) for value in (before, now))
    return changed  # type: ignore[return-value]


def _resolved(value: Any, base: Mapping[str, Any], depth: int = 0) -> Any:
    """Return a value with its references replaced by what they refer to."""
    if depth > 20:
        return value
    if isinstance(value, Mapping):
        return {key: _resolved(each, base, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each, base, depth + 1) for each in value]
    if not isinstance(value, str):
        return value
    if whole := REFERENCE.fullmatch(value):
        target = _at(base, whole[1])
        return value if target is None else _resolved(target, base, depth + 1)
    return REFERENCE.sub(lambda match: str(_at(base, match[1]) or match[0]), value)


def _at(base: Any, key: str) -> Any:
    for name in key.split("."):
        base = base.get(name) if isinstance(base, Mapping) else None
    return base


def _flat(block: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings and lists of mappings by dotted key."""
    if isinstance(block, list) and any(isinstance(each, Mapping) for each in block):
        block = {str(number): each for number, each in enumerate(block)}
    if not isinstance(block, Mapping) or not block:
        return {prefix.removesuffix("."): block}
    return {key: value for name, each in block.items() for key, value in _flat(each, f"{prefix}{name}.").items()}


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:119]}…"
