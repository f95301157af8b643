"""``ocp-dc convert``."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("src", type=Path, help="a checkpoint of fairchem 1 or 2 (.pt), a run, or a data set: LMDBs, or aselmdb files")
    add("out", type=Path, help="the file to write, or for a data set the folder; it must not exist")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert a checkpoint or a data set."""
    if _is_data(args.src):
        from ocp_dc.data.convert import convert_dataset

        print(f"{args.out}: {convert_dataset(args.src, args.out)} structures")
        return 0
    from ocp_dc.checkpoints.convert import convert_checkpoint
    from ocp_dc.training.run_folders import find_checkpoint

    is_state = (args.src / ".metadata").exists()  # of a training run of fairchem 2
    print(convert_checkpoint(args.src if is_state else find_checkpoint(args.src), args.out))
    return 0


def _is_data(source: Path) -> bool:
    from ocp_dc.training.run_folders import best_checkpoint
    from ocp_dc.training.safe_torch import describe

    if source.is_dir():
        return not (source / ".metadata").exists() and best_checkpoint(source) is None
    return source.is_file() and describe(source) == "an LMDB"
