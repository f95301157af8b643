"""``ocp-dc fit-scales``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocp_dc.commands.recipes import add_recipes


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("config", help="a config, or the name of one that ships; overrides such as --dataset.train.src=DIR may follow")
    add_recipes(parser)
    add("--out", type=Path, metavar="FILE", help="the JSON file to write (default: CONFIG-scales.json, here)")
    add("--batches", type=int, default=16, metavar="N", help="training batches to fit on (default: 16)")
    add("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    parser.set_defaults(run=run, takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    """Fit the scale factors of a config's model, and print them."""
    from ocp_dc.hosts import installed_host

    out = args.out or Path(f"{Path(args.config).stem}-scales.json")
    print(installed_host().fit_scales(args.config, out, args.overrides, args.recipes, args.batches, args.cpu))
    print(f"written to {out}; train with --model.scale_file={out}")
    return 0
