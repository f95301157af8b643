"""``ocp-dc predict``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocp_dc.commands.checkpoint_options import CHECKPOINT, add_checkpoint_options, load
from ocp_dc.commands.data_options import add_read_options, read_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("checkpoint", nargs="+", help=CHECKPOINT)
    add("file", type=Path, help="structures: an xyz, traj, db, npz, LMDB or aselmdb file, or a folder")
    add(
        "--out",
        type=Path,
        required=True,
        metavar="XYZ",
        help="the extended XYZ file to write; goes on where it stopped",
    )
    add("--overwrite", action="store_true", help="replace an existing file")
    add("--energies", action="store_true", help="predict the energies of the atoms, too, whose sum is the energy")
    add_checkpoint_options(parser)
    add_read_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict the structures of a file."""
    from ocp_dc.evaluation.predict_file import predict_file
    from ocp_dc.evaluation.xyz_output import check_output_file
    from ocp_dc.training.run_folders import find_checkpoints

    check_output_file(args.out, args.overwrite)  # before anything slow
    predictor = load(args)
    paths = find_checkpoints(args.checkpoint)
    written = predict_file(
        *(predictor, paths, args.file, args.out, read_options(args)),
        args.batch_size,
        overwrite=args.overwrite,
        energies=args.energies,
    )
    for note in written.notes:
        print(f"note: {note}")
    if written.continued:
        print(f"continued after {written.continued} structures of an interrupted prediction")
    print(f"{args.out}: {written.structures} structures with {', '.join(written.properties)}, in eV and Å")
    return 0
