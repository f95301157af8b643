"""``ocp-dc init``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocp_dc.commands.data_options import add_format, add_read_options, add_split_options, read_options, split_sizes


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="structures with energies and forces: xyz, traj, db, npz, LMDB, aselmdb; or a folder of them",
    )
    add("--model", default="schnet", metavar="NAME", help="such as schnet (default), painn, gemnet_t, gemnet_oc")
    add("--out", type=Path, metavar="DIR", help="the folder to make (default: the name of the first file)")
    add_format(parser)
    add_read_options(parser)
    add_split_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepare data, write a config, and print what to run next."""
    from ocp_dc.data.summary_table import summary_table
    from ocp_dc.start.project import init_project

    sizes = split_sizes(args)
    project = init_project(
        args.files,
        Path(args.files[0].name.partition(".")[0]) if args.out is None else args.out,
        model=args.model,
        options=read_options(args),
        train=sizes["train"],
        val=sizes["val"],
        test=sizes["test"],
        seed=args.seed,
    )
    print(summary_table(project.description))
    print(f"\n{project.config}, with settings for these data and this machine:")
    print(*(f"  {reason}" for reason in project.reasons), sep="\n")
    for purpose, command in project.commands.items():
        print(f"\n{purpose}:\n  {command}")
    return 0
