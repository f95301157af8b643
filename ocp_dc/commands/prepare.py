"""``ocp-dc prepare``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ocp_dc.commands.data_options import add_format, add_read_options, add_split_options, read_options, split_sizes


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add(
        "src",
        nargs="+",
        help="a file of structures with energies and forces: xyz, traj, db, npz, LMDB, aselmdb; a folder of them; "
        "several of these; or 'download:NAME' for a data set of `ocp-dc datasets`",
    )
    add("out", type=Path, help="the folder to make, with train, val and test in it; it must not exist")
    add_format(parser)
    add_read_options(parser)
    add_split_options(parser)
    add("--to", choices=("oc20", "aselmdb"), help="for fairchem 1, or for fairchem 2 (default: as is installed)")
    add("--edges", type=float, metavar="CUTOFF", help="with oc20: store the edges up to this length in Å")
    add("--max-neighbors", type=int, metavar="N", help="with --edges: edges to store of each atom (default: 50)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepare a data set and describe it."""
    from ocp_dc.data.prepare import prepare
    from ocp_dc.data.summary_table import summary_table

    sizes = split_sizes(args)
    description = prepare(
        args.src,
        args.out,
        **asdict(read_options(args)),
        train=sizes["train"],
        val=sizes["val"],
        test=sizes["test"],
        seed=args.seed,
        to=args.to,
        edges=args.edges,
        max_neighbors=args.max_neighbors,
    )
    counts = ", ".join(f"{name} {count}" for name, count in description["counts"].items())
    print(f"{summary_table(description)}\n{args.out}: {counts} structures, energies in eV, forces in eV/Å")
    return 0
