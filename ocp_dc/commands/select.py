"""``ocp-dc select``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocp_dc.commands.checkpoint_options import add_checkpoint_options, load
from ocp_dc.commands.data_options import add_read_options, read_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add(
        "checkpoint",
        nargs="*",
        help="for --by uncertainty: the members of an ensemble, or STUDY:ARM for all runs of an arm of a study",
    )
    add("file", type=Path, help="structures: an xyz, traj, db, npz, LMDB or aselmdb file, or a folder")
    add("--n", type=int, required=True, metavar="N", help="number of structures to select")
    add("--by", choices=("uncertainty", "diversity"), required=True, help="what to select")
    add("--out", type=Path, required=True, metavar="XYZ", help="the extended XYZ file to write")
    add("--seed", type=int, default=0, metavar="S", help="of the first structure with --by diversity (default: 0)")
    add("--overwrite", action="store_true", help="replace an existing file")
    add_checkpoint_options(parser)
    add_read_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Select structures for labeling."""
    from ocp_dc.core.errors import UserError
    from ocp_dc.evaluation.select import select_diverse, select_uncertain
    from ocp_dc.evaluation.xyz_output import check_output_file

    check_output_file(args.out, args.overwrite)  # before anything slow
    where = (args.file, args.out, args.n, read_options(args))
    if args.by == "uncertainty":
        if not args.checkpoint:
            raise UserError("--by uncertainty: got no checkpoint, expected two or more before the file")
        found = select_uncertain(load(args), *where, args.batch_size, overwrite=args.overwrite)
        said = f"uncertainty {found.scores[0]:.4g} to {found.scores[-1]:.4g} eV/Å"
    else:
        if args.checkpoint:
            raise UserError(
                f"--by diversity: got {', '.join(args.checkpoint)}, but it needs no checkpoint; leave it out"
            )
        found = select_diverse(*where, args.seed, overwrite=args.overwrite)
        said = f"the last one at a distance of {found.scores[-1]:.4g} from the others"
    print(f"{args.out}: {len(found.indices)} structures of {args.file}, {said}")
    return 0
