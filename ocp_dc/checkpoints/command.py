"""The command ``ocp-dc convert``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def add_convert(commands: argparse._SubParsersAction, add_command: Callable[..., Callable]) -> None:
    """Add the command to the command line.

    Args:
        commands: the subparsers to add it to.
        add_command: adds a command from its name, function and help text, and returns the function that adds its
            arguments.
    """
    add = add_command(commands, "convert", _convert, "turn a checkpoint or a data set of one fairchem into the other's")
    add("src", type=Path, help="a checkpoint of fairchem 1 or 2 (.pt), or a data set: LMDBs, or aselmdb files")
    add("out", type=Path, help="the file to write, or for a data set the folder; it must not exist")


def _convert(args: argparse.Namespace) -> int:
    if _is_data(args.src):
        from ocp_dc.data.convert import convert_dataset

        print(f"{args.out}: {convert_dataset(args.src, args.out)} structures")
        return 0
    from ocp_dc.checkpoints.convert import convert_checkpoint

    print(convert_checkpoint(args.src, args.out))
    return 0


def _is_data(source: Path) -> bool:
    from ocp_dc.training.safe_torch import describe

    if source.is_dir():
        return not (source / ".metadata").exists()  # the state of a training run of fairchem 2 has this file
    return source.is_file() and describe(source) == "an LMDB"
