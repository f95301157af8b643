"""Build the config of a run from a command line: a file with its includes, fairchem's flags, recipes and overrides.

A recipe is a config that changes some blocks of another one, such as ``dc/schnet``, which makes a model
derivative-constrained.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from fairchem.core.common import utils

from ocp_dc.core.config_names import configs_folder, find_config, shipped_config
from ocp_dc.core.errors import UserError
from ocp_dc.core.log_level import raised_log_level
from ocp_dc.core.overrides import apply_override, merged
from ocp_dc.core.yaml_config import check_kind, in_one_line, included_files, read_yaml
from ocp_dc.fairchem1.checks.old_layout import in_present_layout, with_named_splits
from ocp_dc.fairchem1.checks.unknown_keys import warn_once
from ocp_dc.fairchem1.train.no_logger import NO_LOGGER

EXPECTED = "a run config such as configs/md17/schnet-dc.yml"
RECIPE = "a recipe such as dc/schnet"


def build_config(args: argparse.Namespace, overrides: Sequence[str], include_paths: None = None) -> dict[str, Any]:
    """Return the config of a run; replaces fairchem's function of this name, and takes overrides like other commands.

    Fairchem's own overrides are Python literals only. They can neither change an entry of the list ``loss_functions``
    nor contain a ``=`` in the value.

    Args:
        args: fairchem's flags, and ``recipes``, the names given with ``--with``, which are applied in order.
        overrides: such as ``--optim.max_epochs=3``; see :mod:`ocp_dc.core.overrides`.
        include_paths: not used, as in fairchem's own main.

    Raises:
        UserError: the file, a file that it includes, or an override is not valid.
    """
    path = args.config_yml = find_config(args.config_yml, EXPECTED)
    _check_files(path, ())
    # fairchem warns of each key that a config changes of those that it includes, which is what they are for
    with _errors_of_files(path), raised_log_level(logging.ERROR):
        config = utils.build_config(args, [], include_paths=_include_paths())
    check_kind(config, "run", path)
    config = with_named_splits(config)
    _warn_of_flags(path, config)
    for recipe in getattr(args, "recipes", None) or ():
        config = merged(config, read_recipe(recipe))
    for text in overrides:
        apply_override(config, text)
    config = in_present_layout(config)
    if config.get("logger", "") is None:
        config["logger"] = NO_LOGGER
    return config


def read_recipe(name: str) -> dict[str, Any]:
    """Return the blocks of a recipe, merged with the files that it includes.

    Args:
        name: a file, or the name of a recipe that ships.

    Raises:
        UserError: the file or name does not exist, or its content is not part of a run config.
    """
    try:
        path = find_config(name, RECIPE)
    except UserError as error:
        raise UserError(f"--with {error}") from error
    _check_files(path, ())
    with _errors_of_files(path):
        blocks, _, conflicts = utils.load_config(path, include_paths=_include_paths())
        if conflicts:
            raise UserError(f"--with {path}: the files that it includes disagree on {', '.join(conflicts)}")
    check_kind(blocks, "run", path)
    return blocks


def _include_paths() -> list[str]:
    """Return the folders of configs that ship, which are found as ``md17/_schnet.yml`` or ``configs/md17/_schnet.yml``.

    Fairchem searches these after the working folder and the folder of the file, and only for files that it includes.
    """
    return [str(configs_folder()), str(configs_folder().parent)]


@contextlib.contextmanager
def _errors_of_files(path: Path) -> Iterator[None]:
    """Turn fairchem's errors about a config and the files that it includes into UserErrors."""
    try:
        yield
    except UserError:
        raise
    except (yaml.YAMLError, OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: {in_one_line(error)}") from error


def _warn_of_flags(path: Path, config: dict[str, Any]) -> None:
    """Warn about keys of a file that fairchem overwrites with its flags, including their defaults."""
    with contextlib.suppress(yaml.YAMLError, OSError, ValueError):
        written, _, _ = utils.load_config(path, include_paths=_include_paths())
        lost = [f"{key}: {value!r}" for key, value in written.items() if config.get(key, value) != value]
        if lost:
            warn_once(
                f"{path}: no effect in a file: {', '.join(lost)}; flags of the command line override it, "
                "for example --seed; see ocp-dc main --help"
            )


def _check_files(path: Path, above: tuple[Path, ...]) -> None:
    """Read a config and the files that it includes, for messages that name the invalid file."""
    if path.resolve() in above:
        raise UserError(f"{path}: includes itself, through {above[-1].name}")
    for name in included_files(read_yaml(path, EXPECTED), path):
        found = [place for place in (Path(name), path.parent / name) if place.exists()]  # the same order as in fairchem
        if not found and not above and (shipped := shipped_config(name)) is not None:
            found = [shipped]
        if not found:
            raise UserError(f"{path}: includes: {name}: no such file, neither here nor beside {path.name}")
        _check_files(found[0], (*above, path.resolve()))
