"""Resolve the config of a training run from a config file, a budget and overrides."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocp_dc.core.config_names import find_config
from ocp_dc.core.errors import UserError
from ocp_dc.core.options import check_keys
from ocp_dc.core.overrides import apply_override, parse_override
from ocp_dc.core.yaml_config import check_kind, read_yaml
from ocp_dc.pinn.options import TOP_LEVEL, PinnOptions

BUDGETS = ("full", "smoke")
PATH = "--data.path="
EXPECTED = "a config such as configs/pinn/advection.yml"
# takes seconds on one core; the `smoke` block of a config is applied afterwards
SMOKE: dict[str, Any] = {
    "optim": {"iterations": 30},
    "sampling": {"domain": 100, "boundary": 40, "initial": 100},
    "report_every": 10,
    "checkpoint_every": 10,
}


def resolve(
    config: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    budget: str = "full",
    seed: int | None = None,
) -> dict[str, Any]:
    """Return a config as plain data with all defaults filled in; :class:`PinnOptions` reads it.

    Args:
        config: a YAML file, the name of one that ships, such as ``pinn/advection``, or its content.
        overrides: texts such as ``--dc.activation=irelu``; see :func:`ocp_dc.core.overrides.parse_override`.
        budget: ``full``, or ``smoke`` for a test run of a few seconds.
        seed: replaces the seed of the config.

    Raises:
        UserError: the file cannot be read, or a key, a value, an override or the budget is not valid.
    """
    raw = copy.deepcopy(dict(config)) if isinstance(config, Mapping) else _read(find_config(config, EXPECTED))
    check_keys(raw, (*TOP_LEVEL, "smoke"), "config")
    changes = raw.pop("smoke", None) or {}
    if budget not in BUDGETS:
        raise UserError(f"--budget: got {budget!r}, expected one of {', '.join(BUDGETS)}")
    if not isinstance(changes, Mapping):
        raise UserError(f"smoke: got {changes!r}, expected a block of changes, such as {{data: {{size: 32}}}}")
    check_keys(changes, TOP_LEVEL, "smoke")
    if budget == "smoke":
        raw = _smoke(raw, changes)
    # the path first: it removes the sizes of the config, and sizes among the overrides are refused
    for text in sorted(overrides, key=lambda text: not text.startswith(PATH)):
        _override(raw, text)
        if text.startswith(PATH):
            raw["data"] = _without_sizes_of_a_file(raw["data"])
    if seed is not None:
        raw["seed"] = seed
    options = PinnOptions.from_config(raw)
    if budget != "smoke":  # report errors in the block `smoke` now, not only with --budget smoke
        try:
            PinnOptions.from_config(_smoke(raw, changes))
        except UserError as error:
            raise UserError(f"smoke: {error}") from error
    return _plain(options, raw)


def _smoke(raw: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of the smoke budget: small numbers and the changes of the block ``smoke``."""
    smoke = _merged(_merged(raw, copy.deepcopy(SMOKE)), changes)
    smoke["data"] = _without_sizes_of_a_file(smoke.get("data"))
    return smoke


def _plain(options: PinnOptions, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as plain data, but ``dc`` as written: there an absent key is not the same as its default."""
    plain = dataclasses.asdict(dataclasses.replace(options, loss_weights=dict(options.loss_weights)))
    resolved = {key: plain[key] for key in TOP_LEVEL} | {"dc": dict(raw.get("dc") or {})}
    try:
        return json.loads(json.dumps(resolved))  # tuples become lists, as in YAML
    except TypeError as error:
        raise UserError(f"config: {error}; expected numbers, texts, lists and blocks; quote what is a text") from error


def _read(path: Path) -> dict[str, Any]:
    blocks = read_yaml(path, EXPECTED)
    check_kind(blocks, "pinn", path)
    return blocks


def _merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with changes merged in, block by block."""
    result = dict(config)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def _without_sizes_of_a_file(block: Any) -> Any:
    """Return the data block; if it names a file, without the sizes of generated solutions."""
    if not isinstance(block, Mapping) or block.get("path") is None:
        return block
    return {key: value for key, value in block.items() if key not in ("size", "times")}


def _override(config: dict[str, Any], text: str) -> None:
    path, _ = parse_override(text)
    if path[0] == "smoke":
        raise UserError(
            f"override {text!r}: smoke is a block of config files; change {'.'.join(path[1:]) or 'keys'} itself"
        )
    apply_override(config, text)
