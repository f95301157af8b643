"""The config of a run from a command line: a file with its includes, fairchem's flags, and overrides."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from fairchem.core.common import utils

from ocp_dc.core.errors import UserError
from ocp_dc.core.overrides import apply_override
from ocp_dc.core.yaml_config import check_kind, in_one_line, included_files, read_yaml
from ocp_dc.fairchem1.checks.old_layout import in_present_layout, with_named_splits
from ocp_dc.fairchem1.checks.unknown_keys import warn_once
from ocp_dc.fairchem1.train.no_logger import NAME as NO_LOGGER

EXPECTED = "a run config such as configs/md17/schnet-dc.yml"


def build_config(args: argparse.Namespace, overrides: Sequence[str], include_paths: None = None) -> dict[str, Any]:
    """Replace fairchem's function of this name, with the overrides of every other command.

    Fairchem's own overrides are Python literals only. They can neither change an entry of the list ``loss_functions``
    nor contain a ``=`` in the value.

    Args:
        args: fairchem's flags.
        overrides: such as ``--optim.max_epochs=3``; see :mod:`ocp_dc.core.overrides`.
        include_paths: not used, as in fairchem's own main.

    Raises:
        UserError: the file, a file that it includes, or an override is not valid.
    """
    path = Path(args.config_yml)
    _check_files(path, ())
    try:
        config = utils.build_config(args, [])
    except (yaml.YAMLError, OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: {in_one_line(error)}") from error
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
    """Warn about keys of a file that fairchem overwrites with its flags, given or by default."""
    with contextlib.suppress(yaml.YAMLError, OSError, ValueError):
        written, _, _ = utils.load_config(path)
        lost = [f"{key}: {value!r}" for key, value in written.items() if config.get(key, value) != value]
        if lost:
            warn_once(
                f"{path}: the flags of the command line decide on {', '.join(lost)}, which changes nothing in a file; "
                "see ocp-dc main --help, for example --seed"
            )


def _check_files(path: Path, above: tuple[Path, ...]) -> None:
    """Read a config and the files that it includes, for messages that name the invalid file."""
    if path.resolve() in above:
        raise UserError(f"{path}: includes itself, by way of {above[-1].name}")
    for name in included_files(read_yaml(path, EXPECTED), path):
        found = [place for place in (Path(name), path.parent / name) if place.exists()]  # fairchem's order
        if not found:
            raise UserError(f"{path}: includes: {name}: no such file, neither here nor beside {path.name}")
        _check_files(found[0], (*above, path.resolve()))
