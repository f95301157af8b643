"""``ocp-dc evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocp_dc.commands.checkpoint_options import CHECKPOINT, add_checkpoint_options, load
from ocp_dc.commands.data_options import add_read_options, read_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("checkpoint", nargs="+", help=CHECKPOINT)
    add(
        "data",
        type=Path,
        help="structures: an xyz, traj, db, npz, LMDB or aselmdb file, or a folder; with labels or not",
    )
    add("--out", type=Path, required=True, metavar="DIR", help="folder for evaluation.json, the tables and the plots")
    add("--overwrite", action="store_true", help="replace an existing evaluation in DIR")
    add_checkpoint_options(parser)
    add_read_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate a checkpoint, and print the errors."""
    from rich.console import Console

    from ocp_dc.evaluation.evaluate import evaluate_structures
    from ocp_dc.evaluation.prediction_rows import largest_spread
    from ocp_dc.evaluation.report import check_output
    from ocp_dc.evaluation.tables import calibration_table, errors_table, ranges_table

    check_output(args.out, args.overwrite)  # before anything slow
    title = f"{', '.join(args.checkpoint)} on {args.data}"
    found = evaluate_structures(
        *(load(args), args.data, args.out, read_options(args), title), args.batch_size, overwrite=args.overwrite
    )
    console = Console()
    if "ranges" in found.metrics:
        console.print(ranges_table(found.metrics["ranges"], title))
    else:
        console.print(errors_table(found.metrics, title))
    if "calibration" in found.metrics:
        console.print(calibration_table(found.metrics["calibration"]))
    if found.predictions.energy_std is not None:
        ids = ", ".join(str(row["id"]) for row in largest_spread(found.predictions, 5))
        print(f"largest spread: structures {ids}; more in largest_spread.csv")
    for note in found.notes:
        print(f"note: {note}")
    print(f"written to {args.out}")
    return 0
