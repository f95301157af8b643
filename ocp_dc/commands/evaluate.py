"""``ocp-dc evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("checkpoint", type=Path, help="such as checkpoints/ID/best_checkpoint.pt, results/best_inference_ckpt.pt")
    add("data", type=Path, help="an LMDB (fairchem 1.10) or aselmdb (fairchem 2) file or folder, in eV and eV/Å")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for evaluation.json, the tables and the plots")
    add("--batch-size", type=int, default=32, metavar="N", help="structures per evaluation (default: 32)")
    add("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    add("--overwrite", action="store_true", help="replace an existing evaluation in DIR")
    add("--trust-module", action="append", default=[], metavar="M", help="run code of M where the checkpoint names it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate a checkpoint, and print the errors."""
    from ocp_dc.core.errors import UserError
    from ocp_dc.core.files import is_cut_off
    from ocp_dc.evaluation.report import write_report
    from ocp_dc.evaluation.tables import print_errors
    from ocp_dc.hosts import host_for

    before = args.out / "evaluation.json"
    if before.exists() and not args.overwrite and not is_cut_off(before):
        raise UserError(f"{args.out}: holds an evaluation already; name another folder, or give --overwrite")
    predictions = host_for(args.checkpoint).predict_labels(
        args.checkpoint, args.data, batch_size=args.batch_size, cpu=args.cpu, trust_modules=args.trust_module
    )
    metrics = write_report(
        predictions, args.out, title=f"{args.checkpoint.name} on {args.data}", overwrite=args.overwrite
    )
    print_errors(metrics, title=f"{args.checkpoint} on {args.data}")
    print(f"written to {args.out}")
    return 0
