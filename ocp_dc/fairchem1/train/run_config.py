"""From a command line to the config of a run: the file with what it includes, fairchem's flags, and overrides."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from fairchem.core.common import utils

from ocp_dc.core.errors import UserError
from ocp_dc.core.yaml_config import apply_override, check_kind, read_yaml
from ocp_dc.fairchem1.checks.old_layout import in_present_layout, with_named_splits
from ocp_dc.fairchem1.checks.unknown_keys import warn_once
from ocp_dc.fairchem1.train.no_logger import NO_LOGGER

EXPECTED = "a run config such as configs/md17/schnet-dc.yml"


def build_config(args: argparse.Namespace, overrides: Sequence[str], include_paths: None = None) -> dict[str, Any]:
    """Stand in for fairchem's function of this name, with the overrides of every other command.

    Fairchem reads Python literals alone there, and can neither reach into the list ``loss_functions`` nor take a value
    with a ``=`` in it.

    Args:
        args: fairchem's flags.
        overrides: such as ``--optim.max_epochs=3``; see :mod:`ocp_dc.core.yaml_config`.
        include_paths: not used, as in fairchem's own main.

    Raises:
        UserError: the file, a file that it includes, or an override is not what it may be.
    """
    path = Path(args.config_yml)
    _check_files(path, ())
    try:
        config = utils.build_config(args, [])
    except (yaml.YAMLError, OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error
    check_kind(config, "run", path)
    config = with_named_splits(config)
    _warn_of_flags(path, config)
    for text in overrides:
        apply_override(config, text)
    config = in_present_layout(config)
    if config.get("logger", "") is None:
        config["logger"] = NO_LOGGER
    return config


def _warn_of_flags(path: Path, config: dict[str, Any]) -> None:
    """Name the keys of a file in whose place fairchem puts what its flags say, given or by default."""
    with contextlib.suppress(yaml.YAMLError, OSError, ValueError):
        written, _, _ = utils.load_config(path)
        lost = [f"{key}: {value!r}" for key, value in written.items() if config.get(key, value) != value]
        if lost:
            warn_once(
                f"{path}: the flags of the command line decide on {', '.join(lost)}, which changes nothing in a file; "
                "see ocp-dc main --help, for example --seed"
            )


def _check_files(path: Path, above: tuple[Path, ...]) -> None:
    """Read a config and what it includes, for messages that say which file is not what it may be."""
    if path.resolve() in above:
        raise UserError(f"{path}: includes itself, by way of {above[-1].name}")
    blocks = read_yaml(path, EXPECTED)
    included = blocks.get("includes", [])
    if not isinstance(included, list) or not all(isinstance(name, str) for name in included):
        raise UserError(f"{path}: includes: got {included!r}, expected a list of YAML files, such as [_base.yml]")
    for name in included:
        found = [place for place in (Path(name), path.parent / name) if place.exists()]  # in this order, as fairchem
        if not found:
            raise UserError(f"{path}: includes: {name}: no such file, neither here nor beside {path.name}")
        _check_files(found[0], (*above, path.resolve()))
