"""``ocp-dc main``: fairchem's main with the plugin loaded and the config checked before anything is built."""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from fairchem.core import _cli
from fairchem.core.common import distutils
from fairchem.core.common.flags import flags
from fairchem.core.common.utils import UniqueKeyLoader, build_config, setup_imports, setup_logging

from ocp_dc.errors import UserError
from ocp_dc.fairchem1.config_check import check_run_config
from ocp_dc.fairchem1.ranks import rank_errors
from ocp_dc.fairchem1.run_folder import check_names, run_folder

DESCRIPTION = (
    "Train, validate, predict or relax with fairchem's main, the ocp_dc plugin loaded. Results go to "
    "RUN_DIR/results/ID, checkpoints to RUN_DIR/checkpoints/ID; ID is the time and --identifier, or --timestamp-id. "
    "A run that is started again with its --timestamp-id goes on where it stopped."
)
EPILOG = (
    "Anything in the config can be changed on the command line: --optim.max_epochs=50 --dataset.train.src=data/train. "
    "Example: ocp-dc main --mode train --config-yml configs/md17/schnet-dc.yml --cpu --identifier first"
)
YAML_WORDS = {"true": "True", "false": "False", "null": "None"}
NEEDS_CHECKPOINT = ("predict", "validate", "run-relaxations")
NEEDS_SPLIT = {"train": "train", "predict": "test", "validate": "val", "run-relaxations": "relax"}


def main(arguments: Sequence[str]) -> None:
    """Run fairchem's main.

    Args:
        arguments: fairchem's command line; everything that its parser does not know is an override such as
            ``--optim.max_epochs=3``.

    Raises:
        UserError: a mistake in the command line, the config or a file that it names.
        DivergenceError: the training left the finite numbers.
    """
    args, overrides = parse(arguments)
    config = resolve(args, overrides)
    check_mode(config)
    check_names(config)
    try:
        with rank_errors(), contextlib.nullcontext() if args.submit else run_folder(config):
            _cli.main(args, overrides)
    finally:
        distutils.cleanup()


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse fairchem's command line into its known arguments and the overrides."""
    parser = flags.get_parser()
    parser.prog = "ocp-dc main"
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    args, overrides = parser.parse_known_args(list(arguments))
    for override in overrides:
        if not override.startswith("--") or "=" not in override:
            raise UserError(f"argument {override!r}: expected an override such as --optim.max_epochs=3, in one word")
    if args.mode is None:
        raise UserError("--mode is missing; give train, predict, validate or run-relaxations")
    return args, [_python_word(override) for override in overrides]


def _python_word(override: str) -> str:
    """Spell YAML's words as Python does: fairchem reads Python there, and takes 'false' for a text, which is true."""
    key, value = override.split("=", maxsplit=1)
    return f"{key}={YAML_WORDS.get(value, value)}"


def resolve(args: argparse.Namespace, overrides: list[str]) -> dict[str, Any]:
    """Return the checked config that a command line stands for.

    Raises:
        UserError: the file is missing or is no YAML mapping, or the config does not hold.
    """
    path = Path(args.config_yml)
    if not path.is_file():
        raise UserError(f"--config-yml {path}: no such file")
    setup_logging()
    logging.getLogger().setLevel(logging.WARNING)  # fairchem announces every import of its models
    try:
        setup_imports()
    finally:
        logging.getLogger().setLevel(logging.INFO)
    try:
        if not isinstance(yaml.load(path.read_text(), Loader=UniqueKeyLoader), dict):
            raise ValueError("expected blocks such as 'model:' and 'dataset:', got no mapping")
        config = build_config(args, overrides)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f"--config-yml {path}: {error}") from error
    check_run_config(config)
    return config


def check_mode(config: dict[str, Any]) -> None:
    """Refuse a mode without the checkpoint or the data that it needs."""
    mode, checkpoint = config["mode"], config.get("checkpoint")
    if mode in NEEDS_CHECKPOINT and checkpoint is None:
        raise UserError(f"--mode {mode} needs --checkpoint, such as checkpoints/ID/best_checkpoint.pt")
    if checkpoint is not None and not Path(checkpoint).is_file():
        raise UserError(f"--checkpoint {checkpoint}: no such file")
    split = NEEDS_SPLIT[mode]
    if not (config["dataset"].get(split) or {}).get("src"):
        raise UserError(f"--mode {mode} needs dataset.{split}.src in the config or as an override")
    source = config["dataset"][split]["src"]
    if isinstance(source, str) and not Path(source).exists():
        raise UserError(f"dataset.{split}.src {source}: no such file or folder; `ocp-dc prepare` makes one")
