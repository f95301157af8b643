"""``ocp-dc main``: fairchem's main with the plugin loaded and the config checked before anything is built."""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairchem.core import _cli
from fairchem.core.common import distutils
from fairchem.core.common.flags import flags
from fairchem.core.common.registry import registry
from fairchem.core.common.utils import setup_imports, setup_logging

from ocp_dc.core.errors import UserError
from ocp_dc.core.log_level import raised_log_level
from ocp_dc.fairchem1.checks import machine_check
from ocp_dc.fairchem1.checks.config_check import check_run_config
from ocp_dc.fairchem1.checks.held_out import check_held_out
from ocp_dc.fairchem1.checks.known_keys import is_ours
from ocp_dc.fairchem1.train import resume_with
from ocp_dc.fairchem1.train.ranks import rank_errors
from ocp_dc.fairchem1.train.run_config import build_config
from ocp_dc.fairchem1.train.run_folder import check_names, run_folder
from ocp_dc.fairchem1.train.terminal_records import HIDDEN, SHOWN
from ocp_dc.training.output import add_output_options, run_output, show_everything

DESCRIPTION = (
    "Train, validate, predict or relax with fairchem's main, the ocp_dc plugin loaded. Results go to "
    "RUN_DIR/results/ID, checkpoints to RUN_DIR/checkpoints/ID; ID is the time and --identifier, or --timestamp-id. "
    "A run that is started again with its --timestamp-id resumes where it stopped."
)
EPILOG = (
    "Anything in the config can be changed on the command line: --optim.max_epochs=50 --dataset.train.src=data/train. "
    "Example: ocp-dc main --mode train --config-yml md17/schnet-dc --cpu --identifier first. "
    "Configs that ship are found by name from any folder; `ocp-dc configs` lists them."
)
NEEDS_CHECKPOINT = ("predict", "validate", "run-relaxations")
NEEDS_SPLIT = {"train": "train", "predict": "test", "validate": "val", "run-relaxations": "relax"}


def main(arguments: Sequence[str]) -> None:
    """Run fairchem's main.

    Args:
        arguments: fairchem's command line; arguments that its parser does not know are overrides such as
            ``--optim.max_epochs=3``.

    Raises:
        UserError: a mistake in the command line, the config or a file that it names.
        DivergenceError: a loss or a gradient is not finite.
    """
    args, overrides = parse(arguments)
    with run_output(args.output, HIDDEN, SHOWN):
        _run(args, overrides)


def _run(args: argparse.Namespace, overrides: list[str]) -> None:
    setup_logging()
    machine_check.settle_device(args)
    config = resolve(args, overrides)
    check_mode(config)
    machine_check.check_logger(config)
    check_names(config)
    if not is_ours(registry.get_trainer_class(config["trainer"])):
        show_everything()  # such a trainer has no other output
    try:
        with rank_errors(), contextlib.nullcontext() if args.submit else run_folder(config):
            _cli.main(args, overrides)
    finally:
        distutils.cleanup()


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse fairchem's command line into its known arguments and the overrides."""
    args, overrides = main_parser().parse_known_args(list(arguments))
    for override in overrides:
        if not override.startswith("--") or "=" not in override:
            raise UserError(f"argument {override!r}: expected an override such as --optim.max_epochs=3, in one word")
    if args.mode is None:
        raise UserError("--mode is missing; give train, predict, validate or run-relaxations")
    machine_check.check_flags(args)
    return args, [*overrides, *checkpoint_overrides(args)]


def main_parser() -> argparse.ArgumentParser:
    """Return the parser of fairchem's command line, with the options that ocp_dc adds."""
    fairchems = flags.get_parser()  # shared by the whole process, so it is not modified
    parser = argparse.ArgumentParser(
        "ocp-dc main", description=DESCRIPTION, epilog=EPILOG, parents=[fairchems], conflict_handler="resolve"
    )
    add_with_option(parser)
    add_checkpoint_options(parser)
    add_output_options(parser)
    return parser


def add_with_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--with``, which names recipes; :func:`ocp_dc.fairchem1.train.run_config.build_config` applies them."""
    parser.add_argument(
        "--with",
        dest="recipes",
        action="append",
        default=[],
        metavar="RECIPE",
        help="change the config by a recipe such as dc/schnet, before overrides; may be given several times",
    )


def add_checkpoint_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for checkpoints: which settings a resumed run uses, and which modules a checkpoint may name."""
    parser.add_argument(
        "--resume-with",
        choices=resume_with.CHOICES,
        help="for a training run that resumes from a checkpoint saved with another config: use the settings of the "
        "config or of the checkpoint (default: optimizer, schedule and averages of the checkpoint, everything else of "
        "the config)",
    )
    parser.add_argument(
        "--trust-module",
        action="append",
        default=[],
        metavar="MODULE",
        help="run code of this module if a checkpoint names it; code of fairchem and ocp_dc is trusted",
    )


def checkpoint_overrides(args: argparse.Namespace) -> list[str]:
    """Return these options as overrides of the config, through which they reach every rank and submitted job."""
    if args.resume_with is not None and args.mode != "train":
        raise UserError(f"--resume-with {args.resume_with}: only a training run is resumed; use --mode train")
    chosen = [] if args.resume_with is None else [f"--resume_with={args.resume_with}"]
    return [*chosen, *([f"--trust_modules={args.trust_module!r}"] if args.trust_module else [])]


def resolve(args: argparse.Namespace, overrides: list[str]) -> dict[str, Any]:
    """Return the checked config of a command line.

    Raises:
        UserError: the file is not a run config, or the config is not valid.
    """
    setup_logging()
    with raised_log_level(logging.WARNING):  # fairchem logs every import of its models
        setup_imports()
    config = build_config(args, overrides)
    check_run_config(config, [override.partition("=")[0].removeprefix("--") for override in overrides])
    return config


def resolve_training(config_path: str, overrides: Sequence[str] = (), recipes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the checked config of a training run, given a config file instead of a command line.

    Args:
        config_path: the YAML file, or the name of one that ships.
        overrides: changes such as ``--model.dc.region=full``.
        recipes: recipes such as ``dc/schnet``, applied before the overrides.

    Raises:
        UserError: the file is not a run config, or the config is not valid.
    """
    named = [f"--with={recipe}" for recipe in recipes]
    return resolve(*parse(["--mode", "train", "--config-yml", config_path, *named, *overrides]))


def check_mode(config: dict[str, Any]) -> None:
    """Check that the checkpoint and the data that a mode needs are given and exist."""
    mode, checkpoint = config["mode"], config.get("checkpoint")
    if mode in NEEDS_CHECKPOINT and checkpoint is None:
        raise UserError(f"--mode {mode} needs --checkpoint, such as checkpoints/ID/best_checkpoint.pt")
    if checkpoint is not None and not Path(checkpoint).is_file():
        found = "is a folder; name a file in it" if Path(checkpoint).is_dir() else "no such file"
        raise UserError(f"--checkpoint {checkpoint}: {found}, such as checkpoints/ID/best_checkpoint.pt")
    check_source(config, NEEDS_SPLIT[mode], f"--mode {mode}")
    check_held_out(config["dataset"], config["dataset"].get("train") or {})


def check_source(config: dict[str, Any], split: str, needing: str) -> None:
    """Check that a config has the data of a split; ``needing``, such as ``--mode train``, is named in the message."""
    source = (config["dataset"].get(split) or {}).get("src")
    if not source:
        raise UserError(f"{needing} needs dataset.{split}.src in the config or as an override")
    if isinstance(source, str) and not Path(source).exists():
        raise UserError(f"dataset.{split}.src {source}: no such file or folder; `ocp-dc prepare` makes one")
