"""``ocp-dc export``."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("checkpoint", type=Path, help="a checkpoint of fairchem 1 or 2 with a SchNet, PaiNN, DimeNet++ or GemNet-dT")
    add("out", type=Path, help="the file to write, a .pt; it must not exist")
    add(
        "--format",
        default="torchscript",
        choices=("torchscript", "metatomic"),
        help="torchscript: a function of edges for torch in Python and C++ (default); metatomic: for LAMMPS and others",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export a potential."""
    from ocp_dc.interfaces.export import export

    print(export(args.checkpoint, args.out, args.format))
    return 0
