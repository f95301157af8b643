"""``ocp-dc prepare``."""

from __future__ import annotations

import argparse
from pathlib import Path


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
    add("--format", choices=("md17", "rmd17", "ase", "lmdb"), help="layout of the source (default: by its suffix)")
    add("--units", help="energy unit of the source: eV, meV, kcal/mol, kJ/mol, hartree or Ry")
    add(
        "--length-units", metavar="U", help="unit of positions and cells: Å (default), bohr, nm or pm; forces are per U"
    )
    add("--energy-key", metavar="KEY", help="name of the energies in the source, such as REF_energy")
    add("--forces-key", metavar="KEY", help="name of the forces in the source, such as REF_forces")
    add("--stress-key", metavar="KEY", help="name of the stresses in the source, positive under tension")
    add("--virial-key", metavar="KEY", help="name of virials in the source, -V times the stress, as MACE writes them")
    add(
        "--stress-units", metavar="U", help="unit of stresses: GPa, kbar or such as eV/Å^3 (default: energy per volume)"
    )
    add("--train", metavar="N", help="training structures: a number, or a share such as 0.8 (default: all others)")
    add("--val", metavar="N", help="validation structures: a number or a share (default: 0.1)")
    add("--test", metavar="N", help="test structures: a number or a share (default: 0.1)")
    add("--seed", type=int, default=0, metavar="S", help="seed of the random split (default: 0)")
    add("--to", choices=("oc20", "aselmdb"), help="for fairchem 1, or for fairchem 2 (default: as is installed)")
    add("--edges", type=float, metavar="CUTOFF", help="with oc20: store the edges up to this length in Å")
    add("--max-neighbors", type=int, metavar="N", help="with --edges: edges to store of each atom (default: 50)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepare a data set and describe it."""
    from ocp_dc.data.prepare import prepare
    from ocp_dc.data.splits import parse_size
    from ocp_dc.data.summary_table import summary_table

    description = prepare(
        args.src,
        args.out,
        format=args.format,
        units=args.units,
        length_units=args.length_units,
        energy_key=args.energy_key,
        forces_key=args.forces_key,
        stress_key=args.stress_key,
        virial_key=args.virial_key,
        stress_units=args.stress_units,
        train=parse_size(args.train, "--train"),
        val=parse_size(args.val, "--val"),
        test=parse_size(args.test, "--test"),
        seed=args.seed,
        to=args.to,
        edges=args.edges,
        max_neighbors=args.max_neighbors,
    )
    counts = ", ".join(f"{name} {count}" for name, count in description["counts"].items())
    print(f"{summary_table(description)}\n{args.out}: {counts} structures, energies in eV, forces in eV/Å")
    return 0
