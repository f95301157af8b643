"""``ocp-dc init``."""

from __future__ import annotations

import argparse
from pathlib import Path


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
    add("--format", choices=("md17", "rmd17", "ase", "lmdb"), help="layout of the files (default: by their suffix)")
    add("--units", help="energy unit of the files: eV, meV, kcal/mol, kJ/mol, hartree or Ry")
    add("--length-units", metavar="U", help="unit of positions and cells: Å (default), bohr, nm or pm")
    add("--energy-key", metavar="KEY", help="name of the energies (default: the usual or the likely one)")
    add("--forces-key", metavar="KEY", help="name of the forces (default: the usual or the likely one)")
    add("--stress-key", metavar="KEY", help="name of the stresses, positive under tension")
    add("--virial-key", metavar="KEY", help="name of virials, -V times the stress, as MACE writes them")
    add("--stress-units", metavar="U", help="unit of stresses: GPa, kbar or such as eV/Å^3")
    add("--train", metavar="N", help="training structures: a number, or a share such as 0.8 (default: all others)")
    add("--val", metavar="N", help="validation structures: a number or a share (default: 0.1)")
    add("--test", metavar="N", help="test structures: a number or a share (default: 0.1)")
    add("--seed", type=int, default=0, metavar="S", help="seed of the random split (default: 0)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepare data, write a config, and print what to run next."""
    from ocp_dc.data.splits import parse_size
    from ocp_dc.data.structures import ReadOptions
    from ocp_dc.data.summary_table import summary_table
    from ocp_dc.start.start import start

    started = start(
        args.files,
        Path(args.files[0].name.partition(".")[0]) if args.out is None else args.out,
        model=args.model,
        options=ReadOptions(
            format=args.format,
            units=args.units,
            length_units=args.length_units,
            energy_key=args.energy_key,
            forces_key=args.forces_key,
            stress_key=args.stress_key,
            virial_key=args.virial_key,
            stress_units=args.stress_units,
        ),
        train=parse_size(args.train, "--train"),
        val=parse_size(args.val, "--val"),
        test=parse_size(args.test, "--test"),
        seed=args.seed,
    )
    print(summary_table(started.description))
    print(f"\n{started.config}, with settings for these data and this machine:")
    print(*(f"  {reason}" for reason in started.reasons), sep="\n")
    for purpose, command in started.commands.items():
        print(f"\n{purpose}:\n  {command}")
    return 0
