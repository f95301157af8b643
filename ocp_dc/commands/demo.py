"""``ocp-dc demo``."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("--out", type=Path, default=Path("demo"), metavar="DIR", help="folder to work in (default: demo)")
    add("--epochs", type=int, default=20, metavar="N", help="epochs of each training run (default: 20)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train the demo's models and compare them."""
    from ocp_dc.demo import demo

    demo(args.out, epochs=args.epochs)
    return 0
