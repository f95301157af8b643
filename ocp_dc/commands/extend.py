"""``ocp-dc extend``."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="a finished run: its folder, or its name in the folder runs")
    add("--epochs", type=int, required=True, metavar="N", help="the number of epochs to add")
    add("--name", metavar="NAME", help="the name of the new run (default: that of the run, with -extended)")
    add(
        "--peak",
        type=float,
        default=0.3,
        metavar="P",
        help="the highest learning rate, as a fraction of the highest rate of the run (default: 0.3)",
    )
    add("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    add("-q", "--quiet", action="store_true", help="show only warnings and errors")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Extend a run, and print the folder of the new one."""
    from ocp_dc.api.extending import extend

    extended = extend(args.run_folder, args.epochs, name=args.name, peak=args.peak, cpu=args.cpu, quiet=args.quiet)
    print(f"the run is in {extended.folder}, its best checkpoint is {extended.best}")
    return 0
