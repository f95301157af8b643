"""``ocp-dc finetune``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocp_dc.commands.checkpoint_options import add_loading_options
from ocp_dc.commands.data_options import add_read_options, read_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("checkpoint", help="a checkpoint, such as checkpoints/ID/best_checkpoint.pt, or a run's folder or name")
    add("data", type=Path, help="a folder that `ocp-dc prepare` made, or a file of structures, which is split 80/10/10")
    add("--out", type=Path, default=Path("runs"), metavar="DIR", help="folder of runs (default: runs)")
    add("--name", metavar="NAME", help="name of the run, a folder in DIR (default: finetune, finetune-2, ...)")
    add("--epochs", type=int, default=10, metavar="N", help="number of epochs (default: 10)")
    add("--lr", type=float, metavar="R", help="highest learning rate (default: 1e-4; 1e-3 with --head-only)")
    add("--head-only", action="store_true", help="train only the last layers, which turn features into energies")
    add("--batch-size", type=int, default=10, metavar="N", help="structures per step (default: 10)")
    add("--seed", type=int, default=0, metavar="S", help="seed of the order of the data (default: 0)")
    add("-q", "--quiet", action="store_true", help="show only warnings and errors")
    add_loading_options(parser)
    add_read_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fine-tune a checkpoint, and print the folder of the run."""
    from ocp_dc.api.finetuning import finetune

    tuned = finetune(
        args.checkpoint,
        args.data,
        out=args.out,
        name=args.name,
        epochs=args.epochs,
        lr=args.lr,
        head_only=args.head_only,
        batch_size=args.batch_size,
        seed=args.seed,
        cpu=args.cpu,
        quiet=args.quiet,
        trust_modules=args.trust_module,
        reading=read_options(args),
    )
    print(f"the run is in {tuned.folder}, its best checkpoint is {tuned.best}")
    return 0
