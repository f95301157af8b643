"""``ocp-dc md``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ocp_dc.commands.checkpoint_options import CHECKPOINT, add_loading_options, load


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from ocp_dc.commands.option_arguments import add_options
    from ocp_dc.dynamics.options import MDOptions

    add = parser.add_argument
    add("checkpoint", nargs="+", help=CHECKPOINT)
    add("file", type=Path, help="a file that ASE reads, or a data set; momenta in it are kept, and so are fixed atoms")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the run; an interrupted one is continued")
    add("--index", type=int, default=-1, metavar="I", help="number of the structure in the file (default: the last)")
    add_options(parser, MDOptions)
    add_loading_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate a structure; return 1 if the simulation stopped."""
    from ocp_dc.commands.option_arguments import options_of
    from ocp_dc.core.digests import file_digest
    from ocp_dc.dynamics.files import read_structure
    from ocp_dc.dynamics.md import run_md
    from ocp_dc.dynamics.options import MDOptions
    from ocp_dc.dynamics.summary import summary_text
    from ocp_dc.evaluation.calculator import PotentialCalculator
    from ocp_dc.training.run_folders import find_checkpoints

    options = options_of(args, MDOptions)
    atoms = read_structure(args.file, args.index)
    calculator = PotentialCalculator(load(args))
    summary = run_md(
        atoms,
        calculator,
        args.out,
        options,
        origin={"checkpoint_sha256": file_digest(*find_checkpoints(args.checkpoint))},
    )
    print(f"{summary_text(summary)}\nwritten to {args.out}")
    if summary["stopped"] is not None:
        print(f"stopped at {summary['stopped']}", file=sys.stderr)
    return 0 if summary["stopped"] is None else 1
