"""``ocp-dc relax``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ocp_dc.commands.checkpoint_options import CHECKPOINT, add_loading_options, load


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    from ocp_dc.commands.option_arguments import add_options
    from ocp_dc.dynamics.options import RelaxOptions

    add = parser.add_argument
    add("checkpoint", nargs="+", help=CHECKPOINT)
    add("file", type=Path, help="a file that ASE reads, or a data set; atoms that are fixed in it stay fixed")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the relaxed structures and the table")
    add("--index", default=":", metavar="I", help="structures of the file, such as 3 or 0:10 (default: all)")
    add_options(parser, RelaxOptions)
    add("--structures", default="relaxed.xyz", metavar="NAME", help="NAME.xyz or NAME.traj (default: relaxed.xyz)")
    add("--overwrite", action="store_true", help="replace an existing relaxation in DIR")
    add_loading_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Relax structures; return 1 if one did not converge."""
    from rich.console import Console

    from ocp_dc.commands.option_arguments import options_of
    from ocp_dc.dynamics.files import read_structures
    from ocp_dc.dynamics.options import RelaxOptions
    from ocp_dc.dynamics.relax_files import relax_table, relax_to_folder
    from ocp_dc.evaluation.calculator import PotentialCalculator

    options = options_of(args, RelaxOptions)
    structures = read_structures(args.file, args.index)
    calculator = PotentialCalculator(load(args))
    found = relax_to_folder(structures, calculator, args.out, options, args.structures, args.overwrite)
    Console().print(relax_table(found))
    print(f"written to {args.out}")
    failed = {number: result.problem for number, result in found.items() if not result.converged}
    for number, problem in list(failed.items())[:1]:
        print(f"{len(failed)} of {len(found)} structures did not relax; frame {number}: {problem}", file=sys.stderr)
    return 1 if failed else 0
