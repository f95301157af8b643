"""``ocp-dc convert``."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("src", type=Path, help="a checkpoint of fairchem 1 or 2 (.pt), or a data set: LMDBs, or aselmdb files")
    add("out", type=Path, help="the file to write, or for a data set the folder; it must not exist")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert a checkpoint or a data set."""
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
